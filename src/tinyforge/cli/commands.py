"""Every command: its words, what it does in one line, an example, and where its code is.

The code is named and not imported, so that a command pays only for what it uses itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from cyclopts import App, Parameter

from tinyforge import __version__


@dataclass(frozen=True)
class Command:
    words: str
    target: str  # module of this room and function
    what: str
    example: str

    @property
    def help(self) -> str:
        return f"{self.what}\n\nExample: {self.example}"


GROUPS = {
    "trigger": "What makes events: list, look, put to rest, fire.",
    "workload": "What can be deployed.",
    "binding": "Which trigger deploys which workload.",
    "event": "What happened, and what was decided for it.",
    "delivery": "What senders of webhooks have sent.",
    "key": "What secrets are sealed with.",
    "run": "Deploys: their states, their logs, stop one, do it again.",
    "token": "Who may call from elsewhere: make, list and revoke tokens.",
    "audit": "What people have changed.",
}
COMMANDS = (
    Command(
        "serve",
        "serve:serve",
        "Start the server.",
        "tinyforge serve --data /var/lib/tinyforge --config tinyforge.yaml",
    ),
    Command(
        "init",
        "init:init",
        "Write a first manifest, with comments, or a systemd unit.",
        "tinyforge init --example nightly-backup",
    ),
    Command(
        "plan",
        "config:plan",
        "Show what a manifest would change, and what would fire at once.",
        "tinyforge plan tinyforge.yaml",
    ),
    Command(
        "apply",
        "config:apply",
        "Make the server's config what a manifest says.",
        "tinyforge apply tinyforge.yaml --prune",
    ),
    Command(
        "export",
        "config:export",
        "Write the server's config as a manifest.",
        "tinyforge export > tinyforge.yaml",
    ),
    Command(
        "preview",
        "ahead:preview",
        "List the next windows of one schedule, or of all.",
        "tinyforge preview nightly --count 5",
    ),
    Command(
        "simulate",
        "ahead:simulate",
        "Count the fires of a stretch of time, and find its busiest minute.",
        "tinyforge simulate --from today --to +7d",
    ),
    Command(
        "explain",
        "trust:explain",
        "Say what became of a window, and why.",
        "tinyforge explain nightly '2026-01-05 03:00'",
    ),
    Command(
        "verify",
        "trust:verify",
        "Work every window out anew and look for holes; exit 1 if there is one.",
        "tinyforge verify",
    ),
    Command(
        "doctor",
        "trust:doctor",
        "Look for what is wrong, and say how to repair it; exit 1 if anything is.",
        "tinyforge doctor",
    ),
    Command(
        "match",
        "match:match",
        "Say what rules make of a delivery, without a server; exit 1 if none matches.",
        "tinyforge match --manifest tinyforge.yaml --headers headers.txt --payload body.json",
    ),
    Command(
        "completion",
        "completion:completion",
        "Print what teaches a shell to complete commands, options and names.",
        "tinyforge completion bash",
    ),
    Command(
        "migrate",
        "moving:migrate",
        "Move everything from a file to PostgreSQL, or back, and check that it came there.",
        "tinyforge migrate --from /var/lib/tinyforge --to postgresql://USER@HOST/NAME",
    ),
    Command(
        "backup",
        "backups:backup",
        "Copy everything into one file, while a server runs or not.",
        "tinyforge backup --to /srv/backups/tinyforge.db",
    ),
    Command(
        "restore",
        "backups:restore",
        "Make the database of a backup; what was under way in it is over.",
        "tinyforge restore /srv/backups/tinyforge.db --skip-missed",
    ),
    Command(
        "key rotate",
        "keys:rotate",
        "Seal everything anew, with a new key.",
        "tinyforge key rotate",
    ),
    Command(
        "watch",
        "watching:watch",
        "Tell what happens as it happens, until Ctrl-C.",
        "tinyforge watch --workload site",
    ),
    Command(
        "deploy",
        "workloads:deploy",
        "Deploy a workload now.",
        "tinyforge deploy site --wait",
    ),
    Command(
        "trigger list",
        "triggers:list_",
        "List the triggers.",
        "tinyforge trigger list --state broken",
    ),
    Command(
        "trigger show",
        "triggers:show",
        "Show one trigger, its bindings and its latest events.",
        "tinyforge trigger show nightly",
    ),
    Command(
        "trigger pause",
        "triggers:pause",
        "Let a schedule rest; nothing is decided until it is resumed.",
        "tinyforge trigger pause nightly",
    ),
    Command(
        "trigger resume",
        "triggers:resume",
        "End a rest; what passed meanwhile fires once at most.",
        "tinyforge trigger resume nightly",
    ),
    Command(
        "trigger fire",
        "triggers:fire",
        "Fire a trigger by hand; without facts no binding's rule is applied.",
        "tinyforge trigger fire push --fact branch=main --wait",
    ),
    Command(
        "trigger url",
        "endpoints:url",
        "Print the URL of a trigger that takes webhooks, and what to enter at its provider.",
        "tinyforge trigger url push",
    ),
    Command(
        "trigger test",
        "endpoints:try_out",
        "Send a signed sample to a trigger's endpoint and show what each binding decides;"
        " nothing is deployed without --deploy.",
        "tinyforge trigger test push --fact branch=main",
    ),
    Command(
        "workload list",
        "workloads:list_",
        "List the workloads.",
        "tinyforge workload list --kind command",
    ),
    Command(
        "workload show",
        "workloads:show",
        "Show one workload, its bindings and its latest runs.",
        "tinyforge workload show site",
    ),
    Command(
        "binding list",
        "bindings:list_",
        "List the bindings, each with its rule.",
        "tinyforge binding list --trigger push",
    ),
    Command(
        "event list",
        "events:list_",
        "List events, the newest first, each with the branch, tag or image that changed.",
        "tinyforge event list --trigger nightly",
    ),
    Command(
        "event show",
        "events:show",
        "Show one event, and what was decided for each binding.",
        "tinyforge event show evt_01ka8x3v2m000",
    ),
    Command(
        "delivery list",
        "deliveries:list_",
        "List what senders of webhooks have sent, the newest first.",
        "tinyforge delivery list --trigger push",
    ),
    Command(
        "delivery show",
        "deliveries:show",
        "Show one delivery: its headers and body, its proof, and all that was decided of it.",
        "tinyforge delivery show dlv_01ka8x3v2m000",
    ),
    Command(
        "delivery replay",
        "deliveries:replay",
        "Make a new event of an old delivery, as its trigger reads it today.",
        "tinyforge delivery replay dlv_01ka8x3v2m000 --what-if",
    ),
    Command(
        "run list",
        "runs:list_",
        "List runs, the newest first.",
        "tinyforge run list --state failed",
    ),
    Command(
        "run show",
        "runs:show",
        "Show one run and its attempts.",
        "tinyforge run show run_01ka8x3v2m000",
    ),
    Command(
        "run logs",
        "runs:logs",
        "Show what a run wrote.",
        "tinyforge run logs run_01ka8x3v2m000 --follow",
    ),
    Command(
        "run cancel",
        "runs:cancel",
        "Stop a run, or take it off the queue.",
        "tinyforge run cancel run_01ka8x3v2m000",
    ),
    Command(
        "run retry",
        "runs:retry",
        "Queue a run that did not succeed once more.",
        "tinyforge run retry run_01ka8x3v2m000",
    ),
    Command(
        "token create",
        "tokens:create",
        "Make a token, and show it once.",
        "tinyforge token create --role deployer --workload site --expires 90d",
    ),
    Command(
        "token list",
        "tokens:list_",
        "List the tokens, and when each was used last.",
        "tinyforge token list",
    ),
    Command(
        "token revoke",
        "tokens:revoke",
        "End a token, at every server at once.",
        "tinyforge token revoke ci",
    ),
    Command(
        "audit list",
        "audit:list_",
        "List who changed what, the newest first.",
        "tinyforge audit list --limit 20",
    ),
)
ABOUT = """Redeploy things when something happens.

A first look: tinyforge init, then tinyforge serve --config tinyforge.yaml
"""


def build() -> App:
    app = _app("tinyforge", ABOUT)
    groups = {name: _app(name, what) for name, what in GROUPS.items()}
    for command in COMMANDS:
        group, _, name = command.words.rpartition(" ")
        (groups[group] if group else app).command(
            f"tinyforge.cli.{command.target}", name=name, help=command.help
        )
    for group_app in groups.values():
        app.command(group_app)
    return app


def _app(name: str, what: str) -> App:
    return App(
        name=name,
        help=what,
        help_format="plaintext",
        version=__version__,
        version_flags="--version" if name == "tinyforge" else [],
        result_action="return_value",
        default_parameter=Parameter(negative="", show_default=False),
    )

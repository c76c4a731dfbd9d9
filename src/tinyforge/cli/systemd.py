"""A systemd unit for the server."""

from __future__ import annotations

UNIT = """\
# {path}
# 1. make the user:    useradd --system --home-dir /var/lib/tinyforge tinyforge
# 2. put this there:   {program} init --systemd > {path}
# 3. put the manifest: /etc/tinyforge/tinyforge.yaml
# 4. start it:         systemctl daemon-reload && systemctl enable --now tinyforge
# Read a changed manifest: systemctl reload tinyforge
[Unit]
Description=Tinyforge redeploys things when something happens
After=network-online.target
Wants=network-online.target
# However often something ends it, it comes back: what did so is tried alone, and then given up.
StartLimitIntervalSec=0

[Service]
Type=notify
User=tinyforge
Group=tinyforge
StateDirectory=tinyforge
StateDirectoryMode=0700
Environment=TINYFORGE_DATA=/var/lib/tinyforge
Environment=TINYFORGE_CONFIG=/etc/tinyforge/tinyforge.yaml
# Settings, such as TINYFORGE_DATABASE for several servers on one PostgreSQL, and secrets that a
# manifest names as ${{env:NAME}}; one NAME=value a line, mode 0600:
EnvironmentFile=-/etc/tinyforge/environment
ExecStart={program} serve
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1
# 2: called wrongly, or a manifest with mistakes; starting again would not help.
RestartPreventExitStatus=2
# The server ends its runs itself and gives them its grace of 30 s; only what is left is killed.
KillMode=mixed
TimeoutStopSec=45
UMask=0077

# What commands of workloads may do is what this may do. Name the folders they write to:
#ReadWritePaths=/srv/site
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RemoveIPC=yes
ProtectProc=invisible
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
# Workloads with `user:` or commands that call sudo need these two lines gone, and User=root:
NoNewPrivileges=yes
CapabilityBoundingSet=

[Install]
WantedBy=multi-user.target
"""
PATH = "/etc/systemd/system/tinyforge.service"


def unit(program: str) -> str:
    """Return the unit that starts *program*, the command's full path."""
    return UNIT.format(program=program, path=PATH)

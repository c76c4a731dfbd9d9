"""What each shell is told about completion: to ask `tinyforge completion --candidates`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BASH = r"""# Completion of tinyforge for bash. For all your shells to come:
#   mkdir -p ~/.local/share/bash-completion/completions
#   tinyforge completion bash >~/.local/share/bash-completion/completions/tinyforge
# For this one: source <(tinyforge completion bash)
_tinyforge() {
    local word
    COMPREPLY=()
    while IFS=$'\t' read -r word _; do
        COMPREPLY+=("$word")
    done < <("${COMP_WORDS[0]}" completion bash --candidates -- \
        "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _tinyforge tinyforge
"""
ZSH = r"""#compdef tinyforge
# Completion of tinyforge for zsh. For all your shells to come, in a folder of your $fpath:
#   tinyforge completion zsh >~/.zfunc/_tinyforge
# For this one, after compinit: source <(tinyforge completion zsh)
_tinyforge() {
    local -a found
    local word about
    while IFS=$'\t' read -r word about; do
        found+=("${word//:/\\:}:$about")
    done < <("$words[1]" completion zsh --candidates -- "${(@)words[2,CURRENT]}" 2>/dev/null)
    if (( $#found )); then _describe tinyforge found; else _files; fi
}
if [[ $funcstack[1] == _tinyforge ]]; then _tinyforge "$@"; else compdef _tinyforge tinyforge; fi
"""
FISH = r"""# Completion of tinyforge for fish. For all your shells to come:
#   tinyforge completion fish >~/.config/fish/completions/tinyforge.fish
# For this one: tinyforge completion fish | source
function __tinyforge_candidates
    set -l line (commandline -opc) (commandline -ct)
    set -l found ($line[1] completion fish --candidates -- $line[2..] 2>/dev/null)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c tinyforge -f -a '(__tinyforge_candidates)'
"""
SCRIPTS: Mapping[str, str] = MappingProxyType({"bash": BASH, "zsh": ZSH, "fish": FISH})

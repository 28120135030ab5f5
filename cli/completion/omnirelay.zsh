#compdef PROG
# Completion of PROG for zsh: source <(PROG completion zsh)
_PROG() {
  local cur="${words[CURRENT]}"
  local -a before candidates
  before=("${(@)words[1,CURRENT-1]}")
  [[ "$cur" == -* ]] && before+=("$cur")
  candidates=("${(@f)$(_CLI_ZSH_AUTOCOMPLETE_HACK=1 ${before} --generate-bash-completion 2>/dev/null)}")
  if [[ -n "${candidates[1]}" ]]; then
    _describe 'values' candidates
  else
    _files
  fi
}
if (( $+functions[compdef] )); then
  compdef _PROG PROG
else
  autoload -U compinit && compinit && compdef _PROG PROG
fi

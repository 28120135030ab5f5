# Completion of PROG for bash: source <(PROG completion bash)
_PROG_complete() {
  local cur words
  cur="${COMP_WORDS[COMP_CWORD]}"
  # Everything before the word that is being typed; the program says what may
  # follow. A flag that has been begun is passed on, so that flags are offered.
  words=("${COMP_WORDS[@]:0:COMP_CWORD}")
  if [[ "$cur" == -* ]]; then
    words+=("$cur")
  fi
  local IFS=$'\n'
  COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null | cut -d: -f1)" -- "$cur"))
}
complete -o bashdefault -o default -F _PROG_complete PROG

# Completion of PROG for fish: PROG completion fish | source
function __PROG_complete
    set -l before (commandline -opc)
    set -l cur (commandline -ct)
    if string match -q -- '-*' "$cur"
        set before $before "$cur"
    end
    # fish shows what follows a tab as the description.
    env _CLI_ZSH_AUTOCOMPLETE_HACK=1 $before --generate-bash-completion 2>/dev/null | string replace -r ':' \t
end
complete -c PROG -f -a '(__PROG_complete)'

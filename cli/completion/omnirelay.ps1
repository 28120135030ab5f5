# Completion of PROG for PowerShell:
#   PROG completion pwsh | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName PROG -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | ForEach-Object { "$_" })
    if ($wordToComplete -and -not $wordToComplete.StartsWith('-')) {
        $words = @($words | Select-Object -SkipLast 1)
    }
    $rest = @($words | Select-Object -Skip 1) + '--generate-bash-completion'
    & $words[0] @rest 2>$null | ForEach-Object {
        $word = ($_ -split ':')[0]
        if ($word -like "$wordToComplete*") {
            [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $word)
        }
    }
}

// Package control decides what the log itself is: its cluster, its eras and its
// seal.
//
//  1. The first event of a log is EraStarted, at position 1, era 1.
//  2. A log starts once: later StartEra commands are refused.
//  3. A sealed log takes no command of any context, until it is unsealed; a
//     second Seal is one of those. The only exceptions are Unseal and the grant
//     of the server that leads.
//  4. An era that began with a restore is settling: no session is opened, and
//     older sessions count for nothing, so that nothing is assigned or granted
//     while a lease of the time before may live (S1, L1). It is settled once.
//  5. LogTailHealed is logged once for what the log had lost and was given back,
//     and for no position that is not on the log.
//
// [State.Admit] is asked before every command of every context.
//
// Rejections: already_started, not_started, log_sealed, not_sealed, era_settling,
// era_other, command_unknown, invalid_field.
package control

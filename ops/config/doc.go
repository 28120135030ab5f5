// Package config is the one way in which a process of OmniRelay gets its
// settings: a table of settings is filled from defaults, a YAML file, the
// environment and flags.
//
// It promises:
//
//  1. Flags beat the environment, the environment beats the file, the file beats
//     the default. Each value keeps its origin: [Table.Effective].
//  2. Nothing is ignored. A key of the file that the table does not have, a key
//     that stands twice, and a variable that is one slip away from one of ours
//     are refused, with the name that was probably meant.
//  3. A value of the wrong type or out of its range is refused with key, origin
//     and what is allowed. All mistakes are reported, not only the first.
//  4. The flags of the command line come from the same table, so that a setting
//     cannot be in one place and missing in another.
//
// It does not watch the file for changes, does not know what a setting means,
// and is no place for what must agree across nodes: that is a policy, hence an
// event on the log.
//
// A Table is filled once, by one goroutine, and read afterwards.
package config

// Package render writes what the CLI shows: tables for people, JSON, YAML and
// names for programs.
//
// It promises:
//
//  1. JSON is v1json's; a list is {"items":[…],"position":N,"nextPageToken":""},
//     a record is the record, one line each. YAML is the same document.
//  2. A table has borders on a terminal and none when piped; piped, columns are
//     two spaces apart and no line ends in a space.
//  3. An empty list is a header, not nothing.
//
// It reads nothing and knows no terminal: its caller says which it is.
package render

// Command omnirelay is the one binary: a server, an agent, a whole mesh in one
// process to try, and the command line.
//
// Every long-running command takes the same path: settings from file,
// environment and flags; log lines; run until a signal; a last line that says
// why, and an exit code as the command line has them. There is no logic here.
package main

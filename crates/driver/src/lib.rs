//! The mer command: settings, commands, REPL, output, exit codes.

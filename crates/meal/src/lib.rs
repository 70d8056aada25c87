//! Model execution: processes, their pipes, their protocols, and their end.

//! The SQL scripts compiled into the binary, and the program that applies them.

# Everything that building, `tests/run`, `.ci/run` and docs/assets/make want. Not the SurrealDB server: tests/run builds one
# (nixpkgs holds its licence for unfree, and would not evaluate this shell). Not busybox, whose programs would stand
# before the others: its test says that it is left out.
{ mkShell, mer, clippy, rustfmt, rust-analyzer, cargo-deny, postgresql, openssh, python3, gawk,
  fish, tcsh, mksh, openssl, iproute2, shellcheck, graphviz, zstd, binutils }:
mkShell {
  inputsFrom = [ mer ];
  packages = [
    clippy rustfmt rust-analyzer cargo-deny
    postgresql openssh python3 gawk fish tcsh mksh openssl iproute2
    shellcheck graphviz zstd binutils
  ];
}

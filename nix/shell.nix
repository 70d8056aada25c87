# Everything that building, `tests/run`, `.ci/run` and docs/assets/make want. Not the SurrealDB server: tests/run builds one.
# Not busybox, whose programs would stand before the others: its test says that it is left out. On Darwin, where MER does not
# run, it is for editing and checking.
{ lib, stdenv, mkShell, cargo, rustc, clippy, rustfmt, rust-analyzer, cargo-deny, postgresql, openssh, python3, gawk,
  fish, tcsh, mksh, openssl, perl, iproute2, util-linux, shellcheck, graphviz, zstd, binutils }:
mkShell {
  packages = [
    cargo rustc clippy rustfmt rust-analyzer cargo-deny perl
    postgresql openssh python3 gawk fish tcsh mksh openssl
    shellcheck graphviz zstd binutils
  ] ++ lib.optionals stdenv.hostPlatform.isLinux [ iproute2 util-linux ];
}

# Everything that building, `tests/run`, `.ci/run` and docs/assets/make need, with two exceptions. tests/run builds the SurrealDB
# server. busybox would hide other programs; its test reports that it is skipped. On Darwin, where MER does not run, the shell
# is for editing and checking.
{ lib, stdenv, mkShell, cargo, rustc, clippy, rustfmt, rust-analyzer, cargo-deny, postgresql, openssh, python3, gawk,
  fish, tcsh, mksh, openssl, perl, iproute2, util-linux, shellcheck, graphviz, zstd, binutils }:
mkShell {
  packages = [
    cargo rustc clippy rustfmt rust-analyzer cargo-deny perl
    postgresql openssh python3 gawk fish tcsh mksh openssl
    shellcheck graphviz zstd binutils
  ] ++ lib.optionals stdenv.hostPlatform.isLinux [ iproute2 util-linux ];
}

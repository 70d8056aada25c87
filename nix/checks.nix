# The checks of `nix flake check`, which also builds each package and the development shell.
{ pkgs, lib, nixpkgs, mer, mer-static, image, module }:
let
  # A build of the workspace that installs nothing.
  cargo = name: extra: (mer.override { withTests = true; }).overrideAttrs (old: {
    pname = "mer-${name}";
    installPhase = ''
      runHook preInstall
      touch "$out"
      runHook postInstall
    '';
    postInstall = "";
    doCheck = false;
  } // extra old);

  # Adds components of the compiler that a plain rustPlatform does not have.
  lint = name: tools: command: cargo name (old: {
    nativeBuildInputs = old.nativeBuildInputs ++ tools;
    buildPhase = ''
      runHook preBuild
      ${command}
      runHook postBuild
    '';
  });

  eval = import ./module/tests.nix { inherit pkgs lib nixpkgs module; };
in
{
  inherit mer mer-static image;

  format = lint "format" [ pkgs.cargo pkgs.rustfmt ] "cargo fmt --all --check";

  clippy = lint "clippy" [ pkgs.clippy ] "cargo clippy --workspace --all-targets --locked --offline -- -D warnings";

  # With the programs that are available in a build's sandbox. Tests that need one of these report that they are skipped: the
  # SurrealDB server, which tests/run would build; sshd, which refuses the sandbox's user because of its shell; programs in
  # /usr/bin, which is empty. The machines of `system` have the last two.
  tests = lint "tests" [ pkgs.postgresql pkgs.python3 pkgs.gawk pkgs.util-linux ] ''
    export HOME="$TMPDIR"
    patchShebangs startStopScripts tests
    cargo test --workspace --locked --offline
  '';

  shellcheck = pkgs.runCommand "mer-shellcheck" { nativeBuildInputs = [ pkgs.shellcheck ]; } ''
    cd ${../startStopScripts}
    shellcheck --external-sources -- *.sh
    touch "$out"
  '';

  # The binary needs no interpreter and no library, and runs in an empty environment.
  static = pkgs.runCommand "mer-static-proof" { nativeBuildInputs = [ pkgs.binutils ]; } ''
    headers=$(readelf -lW ${mer-static}/bin/mer; readelf -dW ${mer-static}/bin/mer)
    [[ $headers != *INTERP* && $headers != *'(NEEDED)'* ]]
    env -i HOME="$TMPDIR" ${mer-static}/bin/mer run iris 5.1,3.5,1.4,0.2 | grep setosa
    touch "$out"
  '';

  # The image contains exactly the files of container/files.
  image-contents = pkgs.runCommand "mer-image-contents" { nativeBuildInputs = [ pkgs.jq ]; } ''
    mkdir image
    tar -xf ${image} -C image
    for layer in $(jq -r '.[0].Layers[]' image/manifest.json); do
      tar -tf "image/$layer"
    done | sed -e 's,^\./,,' -e 's,/$,,' | grep -v '^\.\?$' | sort -u >found
    sed 's,^.* /,,' ${../container/files} | sort >wanted
    diff -u wanted found
    touch "$out"
  '';

  # Two machines that test the module's units under systemd, models in /usr/bin, and runs over SSH.
  system = pkgs.testers.runNixOSTest (import ./system-test.nix { inherit pkgs module; });

  # Evaluates the module and its assertions; builds nothing.
  module = pkgs.writeText "mer-module-evaluated" eval;
}

# MER, for `pkgs` and for `pkgsStatic` alike.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  perl,
  # A folder with `surreal` and `postgres` in it, whose scripts are compiled in instead of those of `sql`.
  sqlDir ? null,
  withTests ? false,
}:
rustPlatform.buildRustPackage {
  pname = "mer";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  src = import ./source.nix { inherit lib withTests; };
  cargoLock.lockFile = ../Cargo.lock;

  # OpenSSL, inside libssh2 only, is built from source and linked in: its build is written in perl.
  nativeBuildInputs = [ perl installShellFiles ];
  strictDeps = true;

  postPatch = lib.optionalString (sqlDir != null) ''
    rm -r sql
    cp -r ${sqlDir} sql
    chmod -R u+w sql
  '';

  buildType = "dist";
  cargoBuildFlags = [ "--package" "mer" ];
  # The tests are a check of their own (checks.nix): they want servers, and the static build does not wait for them.
  doCheck = false;
  # buildRustPackage keeps the profile from stripping; by default stdenv leaves the symbol table (39.0 MB instead of 32.6).
  stripAllList = [ "bin" ];

  postInstall = ''
    ln -s mer "$out/bin/mer-driver"
    ln -s mer "$out/bin/mer-migrations"
    install -Dm755 -t "$out/share/mer" startStopScripts/*.sh
    install -Dm644 -t "$out/share/doc/mer" LICENSE docs/licences/SurrealDB-BUSL-1.1.txt
  ''
  # Where the program cannot run here (built for another architecture), it goes without.
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd mer \
      --bash <("$out/bin/mer" completions bash) \
      --zsh <("$out/bin/mer" completions zsh) \
      --fish <("$out/bin/mer" completions fish)
  '';

  meta = {
    description = "Model Executor Runtime: runs models over pipes and keeps a record of every run";
    # MER's own, and that of the engine inside (docs/licences.md). The second is not free in the sense of nixpkgs: a set of
    # packages that is not the flake's has to allow it by name (docs/nix.md).
    license = with lib.licenses; [ mit bsl11 ];
    mainProgram = "mer";
    platforms = lib.platforms.linux;
  };
}

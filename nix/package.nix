# The package, for `pkgs` and for `pkgsStatic`.
{
  lib,
  stdenv,
  rustPlatform,
  installShellFiles,
  perl,
  # A folder that contains `surreal` and `postgres`; its scripts are compiled in instead of those of `sql`.
  sqlDir ? null,
  withTests ? false,
}:
rustPlatform.buildRustPackage {
  pname = "mer";
  inherit ((lib.importTOML ../Cargo.toml).workspace.package) version;

  src = import ./source.nix { inherit lib withTests; };
  cargoLock.lockFile = ../Cargo.lock;

  # OpenSSL, used only inside libssh2, is built from source and linked statically. Its build needs perl.
  nativeBuildInputs = [ perl installShellFiles ];
  strictDeps = true;

  postPatch = lib.optionalString (sqlDir != null) ''
    rm -r sql
    cp -r ${sqlDir} sql
    chmod -R u+w sql
  '';

  buildType = "dist";
  cargoBuildFlags = [ "--package" "mer" ];
  # The tests are a separate check (checks.nix): they need servers, and the static build should not wait for them.
  doCheck = false;
  # buildRustPackage disables the profile's stripping, and stdenv keeps the symbol table by default (39.0 MB instead of 32.6).
  stripAllList = [ "bin" ];

  postInstall = ''
    ln -s mer "$out/bin/mer-driver"
    ln -s mer "$out/bin/mer-migrations"
    install -Dm755 -t "$out/share/mer" startStopScripts/*.sh
    install -Dm644 -t "$out/share/doc/mer" LICENSE docs/licences/SurrealDB-BUSL-1.1.txt
  ''
  # Completions are left out if the program cannot run here (built for another architecture).
  + lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    installShellCompletion --cmd mer \
      --bash <("$out/bin/mer" completions bash) \
      --zsh <("$out/bin/mer" completions zsh) \
      --fish <("$out/bin/mer" completions fish)
  '';

  meta = {
    description = "Model Executor Runtime: runs models over pipes and keeps a record of every run";
    # MER's own licence, and that of the engine inside (docs/licences.md). The second is not free in the sense of nixpkgs: outside
    # of this flake, nixpkgs must be configured to allow it by name (docs/nix.md).
    license = with lib.licenses; [ mit bsl11 ];
    mainProgram = "mer";
    platforms = lib.platforms.linux;
  };
}

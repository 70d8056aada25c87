{
  description = "MER, the Model Executor Runtime: runs models over pipes and keeps a record of every run";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    # Toolchains with a prebuilt std for musl, so that a static build does not build a compiler first.
    rust-overlay.url = "github:oxalica/rust-overlay";
    rust-overlay.inputs.nixpkgs.follows = "nixpkgs";
  };

  outputs =
    { self, nixpkgs, rust-overlay }:
    let
      inherit (nixpkgs) lib;
      systems = [ "x86_64-linux" "aarch64-linux" ];
      # MER runs on Linux. The development shell is also available on Darwin.
      shells = systems ++ [ "x86_64-darwin" "aarch64-darwin" ];
      # The engine's licence is not free in the sense of nixpkgs, and is allowed for `mer` alone. Everything else is as in
      # nixpkgs, so that its binary cache can be used.
      pkgsFor = system: import nixpkgs {
        inherit system;
        config.allowUnfreePredicate = package: lib.hasPrefix "mer" (lib.getName package);
      };
      forAll = f: lib.genAttrs systems (system: f (pkgsFor system));

      # `callPackage` adds `override`: `mer.override { sqlDir = ./sql; }` compiles in an organisation's own scripts.
      dynamic = pkgs: pkgs.callPackage ./nix/package.nix { };
      static = pkgs: pkgs.pkgsStatic.callPackage ./nix/package.nix {
        rustPlatform = pkgs.pkgsStatic.makeRustPlatform (import ./nix/toolchain.nix { inherit pkgs rust-overlay; });
      };
      imageOf = pkgs: mer-static: pkgs.callPackage ./nix/image.nix { inherit mer-static; };

      packagesOf = pkgs: rec {
        mer = dynamic pkgs;
        mer-static = static pkgs;
        image = imageOf pkgs mer-static;
        default = mer-static;
      };
    in
    {
      packages = forAll packagesOf;

      apps = forAll (pkgs: import ./nix/apps.nix {
        inherit pkgs lib;
        inherit (packagesOf pkgs) mer-static;
      });

      checks = forAll (pkgs: import ./nix/checks.nix {
        inherit pkgs lib nixpkgs;
        inherit (packagesOf pkgs) mer mer-static image;
        module = self.nixosModules.default;
      });

      devShells = lib.genAttrs shells (system: { default = (pkgsFor system).callPackage ./nix/shell.nix { }; });

      overlays.default = final: _prev: {
        mer = dynamic final;
        mer-static = static final;
        mer-image = imageOf final final.mer-static;
      };

      # The key makes a second import of the module in the same system harmless.
      nixosModules.default = {
        key = "mer/nixosModules.default";
        _file = ./nix/module/default.nix;
        imports = [ (import ./nix/module {
          packageFor = pkgs: self.packages.${pkgs.stdenv.hostPlatform.system}.mer-static;
        }) ];
      };

      formatter = lib.genAttrs shells (system: (pkgsFor system).nixfmt-tree);
    };
}

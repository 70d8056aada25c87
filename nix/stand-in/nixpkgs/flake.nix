{
  # A stand-in for nixpkgs: the few names that this project's flake uses, so that it can be evaluated where nixpkgs cannot
  # be had (tests/nix). A package is a derivation that records its arguments and cannot be built. It shows the flake's
  # shape and the module's logic; that nixpkgs has each name, it cannot show.
  outputs = { self }:
    let
      lib = import ./lib.nix;
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      packages = system: import ./. { inherit system; };
    in
    {
      lib = lib // {
        nixosSystem = { system ? "x86_64-linux", modules, ... }: lib.evalModules {
          modules = modules ++ [ (import ./nixos.nix) ];
          specialArgs.pkgs = self.legacyPackages.${system};
          specialArgs.utils.systemdUtils.unitOptions.unitOption = lib.unitOption;
        };
      };
      legacyPackages = lib.genAttrs systems packages;
    };
}

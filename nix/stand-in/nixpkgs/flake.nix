{
  # A stand-in for nixpkgs with the few names that this project's flake uses, so that the flake can be evaluated without access
  # to nixpkgs (tests/nix). A package is a derivation that records its arguments and cannot be built. This proves the flake's
  # shape and the module's logic, but not that nixpkgs has each name.
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

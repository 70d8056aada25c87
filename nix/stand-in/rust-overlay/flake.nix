{
  # A stand-in for rust-overlay, like ../nixpkgs. It has only the compiler that MER is built with.
  inputs.nixpkgs.url = "path:../nixpkgs";
  outputs = { self, nixpkgs }: {
    lib.mkRustBin = { }: pkgs: {
      stable."1.95.0".minimal =
        let toolchain = targets: pkgs.runCommand "rust-1.95.0" { inherit targets; } ""; in
        toolchain [ ] // { override = { targets }: toolchain targets; };
    };
  };
}

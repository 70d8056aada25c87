# Keys for tests, as nixpkgs has them. These are none.
pkgs: {
  snakeOilEd25519PrivateKey = pkgs.writeText "privkey.snakeoil" "no key";
  snakeOilEd25519PublicKey = "ssh-ed25519 none";
}

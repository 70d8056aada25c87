# Placeholders for the test keys of nixpkgs.
pkgs: {
  snakeOilEd25519PrivateKey = pkgs.writeText "privkey.snakeoil" "no key";
  snakeOilEd25519PublicKey = "ssh-ed25519 none";
}

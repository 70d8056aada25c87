# Tests the module on one machine, which reaches another machine by SSH. Covers what a sandbox does not have: an sshd with a real
# login shell, programs in /usr/bin, units under systemd.
{ pkgs, module }:
let
  inherit (import "${pkgs.path}/nixos/tests/ssh-keys.nix" pkgs) snakeOilEd25519PrivateKey snakeOilEd25519PublicKey;
in
{
  name = "mer";

  nodes.remote = {
    services.openssh.enable = true;
    users.users.runner = {
      isNormalUser = true;
      openssh.authorizedKeys.keys = [ snakeOilEd25519PublicKey ];
    };
  };

  nodes.machine = {
    imports = [ module ];
    # The example models call awk by its usual path.
    systemd.tmpfiles.rules = [ "L+ /usr/bin/awk - - - - ${pkgs.gawk}/bin/awk" ];
    environment.etc."mer-test/key" = { source = snakeOilEd25519PrivateKey; mode = "0600"; };
    services.mer = {
      enable = true;
      credentials.files.id_ed25519 = "/etc/mer-test/key";
      registry = {
        servers.remote = {
          connType = "ssh";
          host = "remote";
          user = "runner";
          identityFile = "\${CREDENTIALS_DIRECTORY}/id_ed25519";
        };
        models.shout = { servers = [ "local" ]; inferenceCommand = [ "awk" "{ print toupper($0) }" ]; };
        models.there = { servers = [ "remote" ]; inferenceCommand = [ "cat" ]; };
        models.slow = { servers = [ "local" ]; inferenceCommand = [ "sleep" "600" ]; };
      };
      schedules.shout = { model = "shout"; input = "100% $HOME"; output = "/var/lib/mer/out"; onCalendar = "yearly"; };
      schedules.there = { model = "there"; input = "hello"; onCalendar = [ "yearly" "monthly" ]; };
      schedules.slow = { model = "slow"; onCalendar = "yearly"; };
    };
  };

  testScript = ''
    start_all()
    machine.wait_for_unit("mer-registry.service")
    remote.wait_for_unit("sshd.service")

    with subtest("a scheduled run writes its output, and nothing in its input means anything to systemd"):
        machine.succeed("systemctl start mer-run-shout.service")
        assert machine.succeed("cat /var/lib/mer/out") == "100% $HOME\n"

    with subtest("root looks at the service's log through the wrapper, and the files stay the service's"):
        assert "shout" in machine.succeed("mer-service log list")
        machine.succeed("test -z \"$(find /var/lib/mer -not -user mer)\"")
        machine.succeed("systemctl start mer-run-shout.service")

    with subtest("a run over SSH with the key that systemd hands over"):
        machine.succeed("mer-service server ping remote --accept-new")
        machine.succeed("systemctl start mer-run-there.service")

    with subtest("migrations that are restarted end no run"):
        machine.succeed("systemctl start --no-block mer-run-slow.service")
        machine.wait_until_succeeds("pgrep --exact sleep")
        machine.succeed("systemctl restart mer-migrate.service")
        machine.succeed("pgrep --exact sleep")

    with subtest("a unit that is stopped leaves no model behind"):
        machine.succeed("systemctl stop mer-run-slow.service")
        machine.fail("pgrep --exact sleep")
  '';
}

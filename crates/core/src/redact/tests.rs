use super::*;

#[test]
fn no_password_of_a_url_is_shown() {
    for (url, shown) in [
        ("embedded", "embedded"),
        ("mem://", "mem://"),
        ("surrealkv:///var/lib/a@b:c", "surrealkv:///var/lib/a@b:c"),
        ("postgres://u:p@h/d", "postgres://u:******@h/d"),
        ("postgres://:p@h/d", "postgres://:******@h/d"),
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("postgres://u:p/w@x@h:5432/d?sslmode=require", "postgres://u:******@h:5432/d?sslmode=require"),
        ("postgres://u@h/d?password=p&x=1", "postgres://u@h/d?password=******&x=1"),
        ("postgres:///d?user=u&sslpassword=p", "postgres:///d?user=u&sslpassword=******"),
        ("postgres://h:5432/d?user=a@b", "postgres://h:5432/d?user=a@b"),
        ("ws://[::1]:8000/n/d?pass%77ord=p", "ws://[::1]:8000/n/d?pass%77ord=******"),
        ("postgres://u:p?w@h/d", "postgres://u:******@h/d"),
        ("postgres://u:1?2@h/d", "postgres://u:******@h/d"),
        ("postgres://u:p#w@h/d", "postgres://u:******@h/d"),
        ("postgres://u:p@h/d?secretly", "postgres://u:******@h/d?******"),
        ("postgres://h/d?pasword=p&Passwort=p&paswd=p", "postgres://h/d?pasword=******&Passwort=******&paswd=******"),
        ("postgres://h/d?passfile=f&port=1&host=h", "postgres://h/d?passfile=f&port=1&host=h"),
        ("mysql://u:p@h", "mysql://u:******@h"),
        ("postgres://u:p", "postgres://u:******"),
        ("postgres://u:p/w", "postgres://u:******"),
        ("postgres://h:5432/d", "postgres://h:5432/d"),
        ("postgres://[::1]:5432/d", "postgres://[::1]:5432/d"),
        ("postgres://[::1]:p", "postgres://[::1]:******"),
        ("u:p@h/d", "u:******@h/d"),
        ("/a/path:with@signs", "/a/path:with@signs"),
    ] {
        assert_eq!(redacted_url(url), shown);
    }
}

/// Whatever a password is made of, and wherever it stands: no URL shows it.
#[test]
fn no_password_is_shown_whatever_it_is_made_of() {
    const PIECES: [&str; 12] = ["s3", "/", "?", "@", "#", ":", "%41", "&", "=", " ", "ü", "\\"];
    for first in PIECES {
        for second in PIECES {
            let password = format!("zq{first}{second}zq");
            for host in ["h", "h:5432", "[::1]:1", ""] {
                for tail in ["", "/d", "/d?sslmode=require", "?x=1"] {
                    for scheme in ["postgres://", "ws://", "mysql://", ""] {
                        let url = format!("{scheme}user:{password}@{host}{tail}");
                        let shown = redacted_url(&url);
                        assert!(!shown.contains("zq"), "{url}: {shown}");
                    }
                }
            }
        }
    }
}

#[test]
fn words_of_a_line_lose_their_secrets_and_nothing_else() {
    for (word, shown) in [
        ("--db=postgres://u:p@h/d", "--db=postgres://u:******@h/d"),
        ("see (ws://u:p@h) there", "see (ws://u:******@h) there"),
        ("see ws://h:8000: (http://h:80), ws://[::1]:1.", "see ws://h:8000: (http://h:80), ws://[::1]:1."),
        ("…ws://u:p@h… ü://x", "…ws://u:******@h… ü://x"),
        ("at ws://[::1]", "at ws://[::1]"),
        ("see ws://u:p@h:8000: no", "see ws://u:******@h:8000: no"),
        ("--env", "--env"),
        ("API_TOKEN=abc", "API_TOKEN=******"),
        ("host=h user=u password=p", "host=h user=u password=******"),
        ("--password-env=PW", "--password-env=PW"),
        ("--ready-token=READY", "--ready-token=READY"),
        ("--env API_TOKEN=\"a b\" x", "--env API_TOKEN=****** x"),
        ("--env 'API_TOKEN=a b' x", "--env 'API_TOKEN=******' x"),
        ("password='a \"b' user=u", "password=****** user=u"),
        ("password='a b", "password=******"),
        ("--db 'ws://u:a b@h' x", "--db 'ws://u:******@h' x"),
        ("`ws://h:8000 is away` at x@y", "`ws://h:8000 is away` at x@y"),
        ("--ready-token=\"a b\"", "--ready-token=\"a b\""),
        ("{\"a\":\"password=\",\"b\":1}", "{\"a\":\"password=\",\"b\":1}"),
        ("OMP_NUM_THREADS=2", "OMP_NUM_THREADS=2"),
        ("--passthrough=x", "--passthrough=x"),
        ("a:b@c", "a:b@c"),
        ("5.1,3.5", "5.1,3.5"),
    ] {
        assert_eq!(redacted(word), shown);
    }
}

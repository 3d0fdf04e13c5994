//! The chain, link by link: variables, files in a folder of their own, and services on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use tokio::net::TcpListener;

use super::aws::Chain;
use super::stage::{Folder, around, service};
use super::*;

/// What the chain finds with these variables.
async fn found(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Grant, Failure> {
    Chain::new(around(variables), profile.map(str::to_owned)).fetch(0).await
}

/// The id of the key, its secret, and the token.
fn keys(grant: &Grant) -> (&str, &str, Option<&str>) {
    let Pass::Aws(keys) = &grant.pass else { panic!("{grant:?}") };
    (&keys.access_key_id, keys.secret_access_key.expose(), keys.session_token.as_ref().map(Secret::expose))
}

const GIVEN: &str =
    r#"{"AccessKeyId": "ASIA1", "SecretAccessKey": "s3", "Token": "t", "Expiration": "1970-01-01T01:00:00Z"}"#;

#[tokio::test]
async fn variables_go_first() {
    let folder = Folder::new("first");
    folder.write(".aws/credentials", "[default]\naws_access_key_id = AKIAFILE\naws_secret_access_key = f\n");
    let home = folder.0.display().to_string();
    let variables = [("HOME", home.as_str()), ("AWS_ACCESS_KEY_ID", "AKIA1"), ("AWS_SECRET_ACCESS_KEY", "s1")];
    assert_eq!(keys(&found(None, &variables).await.unwrap()), ("AKIA1", "s1", None));
    // Half of them is nothing.
    assert_eq!(keys(&found(None, &variables[..2]).await.unwrap()), ("AKIAFILE", "f", None));
    // A profile that is named goes before them.
    assert_eq!(keys(&found(Some("default"), &variables).await.unwrap()), ("AKIAFILE", "f", None));
}

#[tokio::test]
async fn profiles_of_both_files() {
    let folder = Folder::new("profiles");
    let credentials = folder.write(
        "keys",
        "# ours\n[default]\naws_access_key_id=A\naws_secret_access_key=a\n[ team ]\naws_access_key_id = B\n\
         AWS_SECRET_ACCESS_KEY = b=b\naws_session_token = t\n",
    );
    let config = folder.write(
        "config",
        "[profile other]\nregion = eu-west-1\naws_access_key_id = C\naws_secret_access_key = c\n[team]\naws_access_key_id = no\n",
    );
    let files = [("AWS_SHARED_CREDENTIALS_FILE", credentials.as_str()), ("AWS_CONFIG_FILE", config.as_str())];
    assert_eq!(keys(&found(None, &files).await.unwrap()), ("A", "a", None));
    assert_eq!(keys(&found(Some("team"), &files).await.unwrap()), ("B", "b=b", Some("t")));
    assert_eq!(keys(&found(Some("other"), &files).await.unwrap()), ("C", "c", None));
    let by_variable = [files[0], files[1], ("AWS_PROFILE", "team")];
    assert_eq!(keys(&found(None, &by_variable).await.unwrap()), ("B", "b=b", Some("t")));
    let missing = found(Some("nobody"), &files).await.unwrap_err();
    assert_eq!((missing.kind, missing.message.as_str()), (ErrorKind::Auth, "the AWS profile \"nobody\" holds no keys"));
}

#[tokio::test]
async fn the_service_of_a_container() {
    let folder = Folder::new("container");
    let token = folder.write("token", "let-me-in\n");
    let (address, seen) = service(vec![(200, GIVEN.to_owned()), (403, "secret words".to_owned())]).await;
    let url = format!("{address}/creds?x=1");
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
    ];
    let grant = found(None, &variables).await.unwrap();
    assert_eq!((keys(&grant), grant.expires_at), (("ASIA1", "s3", Some("t")), Some(3600)));
    let head = seen.lock().unwrap()[0].to_lowercase();
    assert!(head.starts_with("get /creds?x=1 ") && head.contains("authorization: let-me-in"), "{head}");
    let refused = found(None, &variables).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Auth);
    assert!(refused.message.contains("403") && !refused.message.contains("secret words"), "{}", refused.message);
    let elsewhere = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.test/creds")];
    assert!(found(None, &elsewhere).await.unwrap_err().message.contains("neither https nor"));
}

#[tokio::test]
async fn the_metadata_of_an_instance() {
    let answers = [(200, "imds-token"), (200, "my-role\n"), (200, GIVEN), (200, "imds-token"), (404, "")];
    let (address, seen) = service(answers.map(|(status, body)| (status, body.to_owned())).to_vec()).await;
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", address.as_str())];
    let grant = found(None, &variables).await.unwrap();
    assert_eq!((keys(&grant), grant.expires_at), (("ASIA1", "s3", Some("t")), Some(3600)));
    let heads: Vec<_> = seen.lock().unwrap().iter().map(|head| head.to_lowercase()).collect();
    assert!(heads[0].starts_with("put /latest/api/token ") && heads[0].contains("ttl-seconds: 21600"), "{}", heads[0]);
    assert!(heads[2].starts_with("get /latest/meta-data/iam/security-credentials/my-role "), "{}", heads[2]);
    assert!(heads[1..].iter().all(|head| head.contains("x-aws-ec2-metadata-token: imds-token")));
    let no_role = found(None, &variables).await.unwrap_err();
    assert!(no_role.message.contains("404"), "{}", no_role.message);
    let disabled = found(None, &[("AWS_EC2_METADATA_DISABLED", "true")]).await.unwrap_err();
    assert_eq!(disabled.message, "no AWS keys: neither in variables nor in a profile");
}

#[tokio::test]
async fn a_service_that_is_away_is_no_refusal() {
    let address = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let away = found(None, &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address)]).await.unwrap_err();
    assert_eq!(away.kind, ErrorKind::Connection);
    assert!(
        away.message.starts_with("no AWS keys in variables, a profile or a container's service"),
        "{}",
        away.message
    );
}

//! Google's and Entra's chains, link by link.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rsa::PublicKeyComponents;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::stage::{Folder, around, service};
use super::*;

/// Made for these tests, and good for nothing else.
const KEY: &str = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQCmrehZbfcXerNcbN8TJXuBDV36drtm3DFwq/E0YSC8JzireMJv\
     K37OC4fvIiOo/2m5UV6e1LOxvkbtZKxeaHNHavCEuDTOcXpcUn+f1/8HeG03p3QDarKfHXWqaFN6EqO/qOr+m2I+LykHFCVrOqEZ\
     k8mnkpA0f0vhHdVQcr5Vt3Qg13cU24FyoGIweb/DtFUzIntZeEOrUutHBpE+tR/tXFizewqIk4Xj52ITOChPu5Y7f3LDqZR0iVzB\
     ntXfgjHm5wuTEzBnq1nuWekDjwhKgFnovC0qK0VucBH0/9pZCtfocnYIA53DRfwIMpmFCP/ti3SVYSiAWOuycHOq1hX5AgMBAAEC\
     ggEAIFBP3uKYSEeD9VOwDbSzFGpkgVW6cC8ZMKhM+2QnJgMOlAO14jqS+1w17tD2C+H0e7aAOxeufLOQaZ6eYjEqxDpBxeE2b52F\
     ZNejoXgNG8QnnGYM8kqhtYJPGQnfwSdS8qnLYS/7pGWdNR+dP4Qezmgd7KxX462YJt0TSWTtbI1zxz1sv3iE5PCqVjHMzDPs5kOi\
     Y3BmpTVADlxgB4TnXkVZG96LwSVsSrojr/FFYU4kPFqIeL5oLoDcKN8MXG9f5HJMcDy7UmIc9dYhp70sWV2gaouIEXC213uGW4+1\
     BZCGluzJwh0Dv2TaepTSBTcUf30paSfkiXoBZIxQrIgodwKBgQDU1enZndedB9aQkp47yfIzFNhONSwelPR2sdaY+kK2vuHu9BUG\
     pspYCnKn8MgGeKpjKn3E5fSH7+1L5bXwKCbBU39yho1FpSamZOyf9haix+I3WN18Vjr1L6mMLPs8TN9iL0nENFAp/JBAMOmTOVo9\
     vHT8C2/7BpIijx4OSS7aUwKBgQDIe6I6kRzPFJc9Z7w0W5YLtYaPH6rfXticqp3xo/vMI34knOaU9Y7rk8CzHwDk/UTPR6Jt8ERE\
     ix3pRaqXuxcMXAg0tRggEjU/c2cHguaUBdjXwZuvC5gOZSbGwmKZfQrJGY2V+Sl/HJocxJIz6/la4z/6tBZRZ08vcTPi5rV9AwKB\
     gQCSPAv55pavoSQOn36y69VKvabFTYlr1cKGDzi4UTMnZs3Lpc8Qi+b5SOxwcWKt95hynE5fy/QQtowfmsxAHwZJzLoDkWldkdSV\
     fUCLw8TXwWivyJIdjQ3jSwU+d+WDD/pn9r/DXII75vmh8Tl7W2uigWsLhjxBiMk9j4ICJMxZWwKBgA9u3QUvKI2UYzQZ6TYKmtlZ\
     5vrbkDbTwU8GH1R7sCV90fcVkPaElLTz0dC4IUR/bq2aMRnPdiHkp6/Oahx2DYcpCoSsMCg/3pN82cCNRhy8+n1ZbRejh9gL11lT\
     m21/X7YtXmXeIWCkngR66VpP3wktFz7AYDtx/XmEeF8OLYhrAoGAMDJ0Rd3DWhg6j01lBhj4ylYai7oSTLD0giEcj3bh0wGKhYw1\
     zfqcrPK+Qq2G93TaXjyW0H4HN4Js60V6VFtyO89Gwl4HFMbMJhlbnBjS/qhgH70TN283NbVCQy07pw0W3/8U2zUqKEBocX6s5ZdY\
     IF7ujJ6H1TE5Ut2n3fwi0bA=";
const TOKEN: &str = r#"{"access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer"}"#;
const NOW: u64 = 1_800_000_000;

fn bearer(grant: &Grant) -> (&str, Option<u64>) {
    let Pass::Bearer(token) = &grant.pass else { panic!("{grant:?}") };
    (token.expose(), grant.expires_at)
}

async fn google(variables: &[(&str, &str)], given: Option<&str>) -> Result<Grant, Failure> {
    google::Chain::new(around(variables), given.map(Secret::new), None).fetch(NOW).await
}

async fn entra(variables: &[(&str, &str)]) -> Result<Grant, Failure> {
    entra::Chain::new(around(variables), None).fetch(NOW).await
}

fn account(token_uri: &str) -> String {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{KEY}\n-----END PRIVATE KEY-----\n");
    let account = json!({
        "type": "service_account", "private_key_id": "k1", "private_key": pem, "client_email": "me@p.iam.test",
        "token_uri": token_uri,
    });
    account.to_string()
}

/// The fields of a form.
fn fields(request: &str) -> BTreeMap<String, String> {
    let body = request.split_once("\r\n\r\n").unwrap().1;
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = body.split('&').map(|pair| pair.split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), decoded(value))).collect()
}

#[tokio::test]
async fn a_service_account_signs_what_it_asks_for() {
    let (address, seen) = service(vec![(200, TOKEN.to_owned())]).await;
    let grant = google(&[], Some(&account(&format!("{address}/token")))).await.unwrap();
    assert_eq!(bearer(&grant), ("ya29.one", Some(NOW + 3599)));
    let request = seen.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /token ") && request.contains("application/x-www-form-urlencoded"), "{request}");
    let fields = fields(&request);
    assert_eq!(fields["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let parts: Vec<_> = fields["assertion"].split('.').collect();
    let part = |number: usize| URL_SAFE_NO_PAD.decode(parts[number]).unwrap();
    let json = |number| serde_json::from_slice::<Value>(&part(number)).unwrap();
    assert_eq!(json(0), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let claims = json!({
        "iss": "me@p.iam.test", "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": format!("{address}/token"), "iat": NOW, "exp": NOW + 3600,
    });
    assert_eq!(json(1), claims);
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(KEY).unwrap()).unwrap();
    let public: PublicKeyComponents<Vec<u8>> = pair.public().into();
    let content = format!("{}.{}", parts[0], parts[1]);
    public.verify(&RSA_PKCS1_2048_8192_SHA256, content.as_bytes(), &part(2)).unwrap();
}

#[tokio::test]
async fn google_files_that_are_no_credentials() {
    let folder = Folder::new("google");
    let path = folder.write("key.json", "{\"type\": \"external_account\"}");
    let refused = google(&[("GOOGLE_APPLICATION_CREDENTIALS", &path)], None).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Auth);
    let expected = format!("the file {path}: is of a type that is not read");
    assert!(refused.message.starts_with(&expected), "{}", refused.message);
    let missing = google(&[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")], None).await.unwrap_err();
    assert!(missing.message.contains("/nowhere/key.json"), "{}", missing.message);
    let told = [
        (account("http://example.test/token"), "\"token_uri\" is no https address"),
        (account("https://example.test").replace(&KEY[..8], "AAAAAAAA"), "is no RSA key in PKCS #8"),
        (json!({"type": "service_account", "client_email": "a"}).to_string(), "\"private_key\" is missing"),
        (json!({"type": "authorized_user", "client_id": "a"}).to_string(), "\"client_secret\" is missing"),
    ];
    for (written, expected) in told {
        let failure = google(&[], Some(&written)).await.unwrap_err();
        assert!(failure.message.contains(expected) && !failure.message.contains(KEY), "{}", failure.message);
    }
}

#[tokio::test]
async fn the_account_of_a_machine_in_google_s_cloud() {
    let (address, seen) = service(vec![(200, TOKEN.to_owned()), (404, "no such account".to_owned())]).await;
    let host = [("GCE_METADATA_HOST", address.trim_start_matches("http://"))];
    assert_eq!(bearer(&google(&host, None).await.unwrap()).0, "ya29.one");
    let request = seen.lock().unwrap()[0].to_lowercase();
    let path = "get /computemetadata/v1/instance/service-accounts/default/token?scopes=https%3a%2f%2fwww";
    assert!(request.starts_with(path) && request.contains("metadata-flavor: google"), "{request}");
    let failure = google(&host, None).await.unwrap_err();
    let sentence = "no Google credentials in a file; the machine's metadata service answered with status 404";
    assert_eq!((failure.kind, failure.message.as_str()), (ErrorKind::Auth, sentence));
}

#[tokio::test]
async fn an_entra_client_shows_its_secret_or_its_platform_s_token() {
    let folder = Folder::new("entra");
    let assertion = folder.write("token", "eyJ.platform\n");
    let refusal =
        r#"{"error": "invalid_client", "error_description": "AADSTS7000215: s3cret", "error_codes": [7000215]}"#;
    let answers = [(200, TOKEN), (200, TOKEN), (401, refusal)];
    let (address, seen) = service(answers.map(|(status, body)| (status, body.to_owned())).to_vec()).await;
    let client =
        [("AZURE_AUTHORITY_HOST", address.as_str()), ("AZURE_TENANT_ID", "tenant-1"), ("AZURE_CLIENT_ID", "client-1")];
    let secret = [client.as_slice(), &[("AZURE_CLIENT_SECRET", "s3 cret&")]].concat();
    assert_eq!(bearer(&entra(&secret).await.unwrap()), ("ya29.one", Some(NOW + 3599)));
    let platform = [client.as_slice(), &[("AZURE_FEDERATED_TOKEN_FILE", assertion.as_str())]].concat();
    entra(&platform).await.unwrap();
    let requests = seen.lock().unwrap().clone();
    assert!(requests[0].starts_with("POST /tenant-1/oauth2/v2.0/token "), "{}", requests[0]);
    let first = fields(&requests[0]);
    assert_eq!((first["client_id"].as_str(), first["client_secret"].as_str()), ("client-1", "s3 cret&"));
    assert_eq!(first["grant_type"], "client_credentials");
    assert_eq!(first["scope"], "https://cognitiveservices.azure.com/.default");
    assert_eq!(fields(&requests[1])["client_assertion"], "eyJ.platform");
    let refused = entra(&secret).await.unwrap_err();
    let sentence = "Entra's token service answered with status 401 (invalid_client, AADSTS7000215)";
    assert_eq!((refused.kind, refused.message.as_str()), (ErrorKind::Auth, sentence));
}

#[tokio::test]
async fn the_managed_identity_of_an_app_and_of_a_machine() {
    let dated = r#"{"access_token": "eyJ.two", "expires_on": "1800003600"}"#;
    let answers = [(200, dated), (200, TOKEN), (400, r#"{"error": "invalid_request"}"#)];
    let (address, seen) = service(answers.map(|(status, body)| (status, body.to_owned())).to_vec()).await;
    let endpoint = format!("{address}/msi/token");
    let app = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "h1")];
    assert_eq!(bearer(&entra(&app).await.unwrap()), ("eyJ.two", Some(NOW + 3600)));
    let machine = [("AZURE_POD_IDENTITY_AUTHORITY_HOST", address.as_str()), ("AZURE_CLIENT_ID", "user-1")];
    entra(&machine).await.unwrap();
    let requests: Vec<_> = seen.lock().unwrap().iter().map(|request| request.to_lowercase()).collect();
    let resource = "resource=https%3a%2f%2fcognitiveservices%2eazure%2ecom";
    assert!(
        requests[0].starts_with(&format!("get /msi/token?{resource}&api-version=2019%2d08%2d01 ")),
        "{}",
        requests[0]
    );
    assert!(requests[0].contains("x-identity-header: h1"), "{}", requests[0]);
    let path = format!("get /metadata/identity/oauth2/token?{resource}&client_id=user%2d1&api-version=2018%2d02%2d01 ");
    assert!(requests[1].starts_with(&path) && requests[1].contains("metadata: true"), "{}", requests[1]);
    let refused = entra(&machine).await.unwrap_err();
    assert!(refused.message.starts_with("no Entra client in variables"), "{}", refused.message);
    assert!(refused.message.ends_with("status 400 (invalid_request)"), "{}", refused.message);
}

#[tokio::test]
async fn secrets_are_not_sent_in_clear() {
    let client = [
        ("AZURE_AUTHORITY_HOST", "http://login.example.test"),
        ("AZURE_TENANT_ID", "t"),
        ("AZURE_CLIENT_ID", "c"),
        ("AZURE_CLIENT_SECRET", "s3"),
    ];
    let refused = entra(&client).await.unwrap_err();
    assert_eq!(refused.message, "AZURE_AUTHORITY_HOST is no https address");
    let tenant = [client[1..].to_vec(), vec![("AZURE_TENANT_ID", "t/../x")]].concat();
    assert_eq!(entra(&tenant).await.unwrap_err().message, "AZURE_TENANT_ID is no tenant");
}

//! Ten lines of hotspare: `cargo run -p hotspare --example quickstart` with at least one of the vendors' keys in the
//! environment.

#[tokio::main(flavor = "current_thread")]
async fn main() -> hotspare::Result<()> {
    let client = hotspare::Client::builder()
        .target("openai/gpt-4o-mini")
        .target("anthropic/claude-haiku-4-5")
        .target("gemini/gemini-2.5-flash")
        .build()?;
    let reply = client.chat("Say hi").send().await?;
    show(&format!("{} ({})\n", reply.text(), reply.target));
    let mut stream = client.chat("Tell a very short story").stream().await?;
    while let Some(event) = stream.next().await {
        show(event?.text());
    }
    show("\n");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "an example's output")]
fn show(text: &str) {
    print!("{text}");
}

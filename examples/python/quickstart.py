"""Ten lines of hotspare: run it with at least one of the vendors' keys in the environment."""

import hotspare

client = hotspare.Client(targets=["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"])
reply = client.chat("Say hi")
print(reply.text, reply.target, reply.usage.total_tokens, reply.cost_usd)
for attempt in reply.trail:
    print(attempt.target, attempt.code, attempt.reason)
with client.stream("Tell a very short story") as stream:
    for event in stream:
        print(event.text, end="")
print()

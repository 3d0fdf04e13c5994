"""An agent of pydantic-ai with Locum under it. pip install locum "pydantic-ai-slim[openai]" httpx"""

import locum
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

client = AsyncOpenAI(http_client=locum.httpx_client(), api_key="unused")
agent = Agent(OpenAIChatModel("support_chat", provider=OpenAIProvider(openai_client=client)))


@agent.tool_plain
def invoice_total(number: str) -> str:
    """The total of an invoice."""
    return f"{number}: 42 EUR"


# The primary calls the tool; when it has the result to answer from, it is down.
print(agent.run_sync("What does invoice R-17 come to?").output)

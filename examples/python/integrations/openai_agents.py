"""An agent of the OpenAI Agents SDK with Locum under it, by the Responses API as it is the default there.

pip install locum openai-agents httpx
"""

import locum
from agents import Agent, Runner, function_tool, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI


@function_tool
def invoice_total(number: str) -> str:
    """The total of an invoice."""
    return f"{number}: 42 EUR"


set_default_openai_client(AsyncOpenAI(http_client=locum.httpx_client(), api_key="unused"), use_for_tracing=False)
set_tracing_disabled(True)  # The SDK would send traces to OpenAI.

agent = Agent(name="Support", model="support_chat", instructions="Be kind.", tools=[invoice_total])
print(Runner.run_sync(agent, "What does invoice R-17 come to?").final_output)

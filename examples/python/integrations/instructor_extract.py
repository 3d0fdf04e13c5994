"""Structured data by instructor, with Locum under it. pip install locum instructor httpx"""

import instructor
import locum
from openai import OpenAI
from pydantic import BaseModel


class Invoice(BaseModel):
    number: str
    total: int


client = instructor.from_openai(OpenAI(http_client=locum.httpx_sync_client(), api_key="unused"))
messages = [{"role": "user", "content": "Invoice R-17 comes to 42 euros."}]
print(client.chat.completions.create(model="data_extraction", messages=messages, response_model=Invoice))

"""What the mock providers answer to the demo's agent: the conversation, with its token counts.

The agent asks one model at a time, so the replies are simply in order.
"""

from spanledger.testing.providers import Reply, ToolCall, UsageSpec

_TERMS = "After 10 days the customer gets 15 % of the price back."

CONVERSATION: tuple[Reply, ...] = (
    # planner
    Reply(
        tool_calls=(ToolCall(name="look_up_order", arguments={"order_id": "1042"}),),
        usage=UsageSpec(input_tokens=412, output_tokens=19),
        delay_s=0.12,
    ),
    Reply(
        tool_calls=(
            ToolCall(
                name="ask_researcher",
                arguments={
                    "question": "Where is parcel PX-7731? What are the terms if it is late?"
                },
            ),
        ),
        usage=UsageSpec(input_tokens=1523, output_tokens=38, cache_read_tokens=1024),
        delay_s=0.1,
    ),
    # researcher
    Reply(
        text="I will ask the carrier and look at our terms.",
        tool_calls=(
            ToolCall(name="track_parcel", arguments={"parcel": "PX-7731"}),
            ToolCall(name="search_policy", arguments={"topic": "late delivery"}),
        ),
        usage=UsageSpec(input_tokens=1690, output_tokens=104, cache_write_tokens=1280),
        delay_s=0.18,
    ),
    Reply(
        text=f"The carrier does not answer. Our terms: {_TERMS}",
        usage=UsageSpec(
            input_tokens=1864, output_tokens=91, cache_read_tokens=1280, cache_write_tokens=160
        ),
        delay_s=0.15,
    ),
    # planner
    Reply(
        tool_calls=(
            ToolCall(name="calculate_refund", arguments={"paid_usd": 249.0, "percent": 15}),
        ),
        usage=UsageSpec(input_tokens=1720, output_tokens=24, cache_read_tokens=1536),
        delay_s=0.1,
    ),
    Reply(
        tool_calls=(
            ToolCall(
                name="ask_writer",
                arguments={
                    "facts": "Order 1042, an espresso machine, is 12 days late. The carrier does "
                    "not answer. The customer gets 37.35 USD back."
                },
            ),
        ),
        usage=UsageSpec(input_tokens=1788, output_tokens=57, cache_read_tokens=1664),
        delay_s=0.1,
    ),
    # writer, streamed
    Reply(
        text="We are sorry: your espresso machine is late, and the carrier does not answer us "
        "today. We give you 37.35 USD back now and write again tomorrow.",
        usage=UsageSpec(input_tokens=143, output_tokens=231, reasoning_tokens=192),
        delay_s=0.1,
        chunk_delay_s=0.008,
    ),
    # planner
    Reply(
        text="Order 1042 is late; 37.35 USD go back to the customer, who has been told.",
        usage=UsageSpec(input_tokens=1954, output_tokens=33, cache_read_tokens=1792),
        delay_s=0.1,
    ),
    # The review that follows is refused by the budget and never gets here.
)

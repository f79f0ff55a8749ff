"""Writes tests/golden/text/tool_calls.json: what mlx-lm's fourteen tool parsers make of blocks of calls.

Each case is a whole answer with tags, the tools that were offered, and the calls that mlx_lm.tool_parsers reads in it.
Blocks are of our own, in the spelling of each format's template.
"""

import importlib
import json
from importlib.metadata import version

from text import HOME

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {
    "city": {"type": "string"}, "days": {"type": "integer"}, "precise": {"type": "boolean"}, "limit": {"type": "number"},
    "tags": {"type": "array", "items": {"type": "string"}}, "where": {"type": "object"},
    "unit": {"enum": ["C", "F"]}, "maybe": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}]
TEXT = 'Zürich "old" <town> & {co}'
ARGUMENTS = {"city": TEXT, "days": 3, "precise": True, "limit": 2.5, "tags": ["a", "b c"], "where": {"lat": [1, 2.5]}}
BODY = json.dumps(ARGUMENTS, ensure_ascii=False)
PLAIN = {"city": "Zürich\nHB", "days": "3", "precise": "true", "limit": "2.50", "tags": '["a", "b c"]', "where": '{"lat": 1}',
         "unit": "C", "maybe": "null"}


def glm(name, arguments, tag=""):
    pairs = "\n".join(f"<{tag}arg_key>{k}</{tag}arg_key>\n<{tag}arg_value>{v}</{tag}arg_value>" for k, v in arguments.items())
    return f"{name}\n{pairs}\n"


def coder(name, arguments):
    return f"\n<function={name}>\n" + "".join(
        f"<parameter={k}>\n{v}\n</parameter>\n" for k, v in arguments.items()) + "</function>\n"


def elements(name, arguments, invoke, parameter):
    return f'<{invoke} name="{name}">' + "".join(
        f'<{parameter} name="{k}">{v}</{parameter}>' for k, v in arguments.items()) + f"</{invoke}>"


def k3(name, arguments):
    kinds = {"days": "number", "precise": "boolean", "limit": "number", "tags": "array", "where": "object"}
    return f'<|open|>call tool="{name}" index="1"<|sep|>' + "".join(
        f'<|open|>argument key="{k}" type="{kinds.get(k, "string")}"<|sep|>{v}<|close|>argument<|sep|>'
        for k, v in arguments.items()) + "<|close|>call<|sep|>"


PY = 'get_weather(city="Zürich \'x\' [1]", days=3, precise=True, limit=2.5, tags=["a", "b c"], where={"lat": 1, "ok": true, "no": null})'
BLOCKS = {
    "json_tools": ['\n{"name": "get_weather", "arguments": ' + BODY + "}\n", '{"name": "now", "arguments": {}}'],
    "qwen3_coder": [coder("get_weather", PLAIN), coder("now", {}), coder("other", {"x": "1", "y": "two"})],
    "glm47": [glm("get_weather", PLAIN), "now", glm("other", {"x": "1", "y": "two", "z": "[1, 'a']"}),
              '{"name": "get_weather", "arguments": {"days": 3}}', 'get_weather\n{"days": 3}'],
    "laguna": [glm("get_weather", PLAIN)],
    "longcat": [glm("get_weather", PLAIN, "longcat_"), '{"name": "now", "arguments": {}}'],
    "minimax_m2": ["\n" + elements("get_weather", PLAIN, "invoke", "parameter") + "\n",
                   elements("now", {}, "invoke", "parameter") + "\n" + elements("get_weather", {"days": "7"}, "invoke", "parameter")],
    "muse_spark": [elements("get_weather", PLAIN, "atem:invoke", "atem:parameter"),
                   elements("now", {}, "atem:invoke", "atem:parameter") + elements("get_weather", {"days": "7"}, "atem:invoke", "atem:parameter")],
    "minicpm5": ['"get_weather">' + "".join(f'<param name="{k}">{v}</param>' for k, v in PLAIN.items()),
                 '"get_weather"><param name="city"><![CDATA[a <b> & c]]></param>', '"now">'],
    "mistral": ['[{"name": "get_weather", "arguments": ' + BODY + ', "id": "abcDEF123"}, {"name": "now", "arguments": {}, "id": "abcDEF124"}]',
                "get_weather[ARGS]" + BODY, "now[ARGS]{}[TOOL_CALLS]get_weather[ARGS]{\"days\": 1}"],
    "kimi_k2": ["<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>" + BODY + "<|tool_call_end|>",
                "".join(f"<|tool_call_begin|>functions.now:{i}<|tool_call_argument_begin|>{{}}<|tool_call_end|>" for i in range(3))],
    "kimi_k3": [k3("get_weather", PLAIN), k3("now", {}) + k3("get_weather", {"days": "2"}),
                '<|open|>call tool="get_weather" index="1"<|sep|><|open|>json type="object"<|sep|>' + BODY
                + "<|close|>json<|sep|><|close|>call<|sep|>"],
    "gemma4": ['call:get_weather{city:<|"|>Zürich {x}, "y"<|"|>,days:3,precise:true,limit:2.5,tags:[<|"|>a<|"|>,<|"|>b c<|"|>],where:{lat:1}}',
               "call:now{}", 'call:now{}call:get_weather{days:2}'],
    "function_gemma": ["call:get_weather{city:<escape>Zürich, \"y\"<escape>,days:3,precise:true,limit:2.5}", "call:now{}"],
    "pythonic": ["[" + PY + "]", "[now(), get_weather(days=-2)]", "[now()]"],
}


def main():
    cases = []
    for name, blocks in BLOCKS.items():
        parser = importlib.import_module(f"mlx_lm.tool_parsers.{name}")
        for block in blocks:
            calls = parser.parse_tool_call(block, TOOLS)
            calls = calls if isinstance(calls, list) else [calls]
            cases.append({"convention": "glm47" if name == "laguna" else name,
                          "answer": parser.tool_call_start + block + parser.tool_call_end, "calls": calls})
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    (HOME / "tool_calls.json").write_text(
        f'{{"reference": "mlx-lm {version("mlx-lm")}", "tools": {json.dumps(TOOLS)}, "cases": [\n{lines}\n]}}\n')
    print(len(cases), "cases")


if __name__ == "__main__":
    main()

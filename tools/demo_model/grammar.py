"""A phrase grammar small enough to read in a minute.

(a|b|c)  one of these          [x]     x or nothing
{name}   a macro, one of its alternatives (macros may use macros)
Everything else stands for itself. `sample` draws one sentence; spaces are tidied afterwards.
"""

import re

TOKEN = re.compile(r"[()\[\]|]|\{[a-z_.]+\}|[^()\[\]|{]+|\{")


def parse(text):
    """Returns a tree: a list of str, ("macro", name) and ("any", [tree, ...])."""
    tokens = TOKEN.findall(text)
    position = 0

    def sequence(closing):
        nonlocal position
        branches, items = [], []
        while position < len(tokens):
            token = tokens[position]
            position += 1
            if token == "(":
                items.append(("any", sequence(")")))
            elif token == "[":
                items.append(("any", [[("any", sequence("]"))], []]))
            elif token == "|" and closing:
                branches.append(items)
                items = []
            elif token == closing:
                branches.append(items)
                return branches
            elif re.fullmatch(r"\{[a-z_.]+\}", token):
                items.append(("macro", token[1:-1]))
            else:
                items.append(token)
        if closing:
            raise ValueError(f"{text!r}: {closing!r} is missing")
        return items

    return sequence(None)


def sample(tree, rng, macros):
    """Draws a sentence. macros: name -> list of trees, or a plain string."""
    out = []
    for item in tree:
        if isinstance(item, str):
            out.append(item)
        elif item[0] == "any":
            out.append(sample(rng.choice(item[1]), rng, macros))
        else:
            value = macros[item[1]]
            out.append(value if isinstance(value, str) else sample(rng.choice(value), rng, macros))
    return "".join(out)


def tidy(text):
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ([?,.!:])(?=\s|$)", r"\1", text)


IRREGULAR = {
    "get": "getting", "put": "putting", "set": "setting", "run": "running", "stop": "stopping", "cut": "cutting",
    "drop": "dropping", "begin": "beginning", "forget": "forgetting", "let": "letting", "chat": "chatting",
    "quit": "quitting", "log": "logging", "plan": "planning", "pin": "pinning", "skip": "skipping", "see": "seeing",
    "be": "being", "cap": "capping", "trash": "trashing", "shut": "shutting", "hit": "hitting", "tie": "tying",
    "map": "mapping", "free": "freeing", "unload": "unloading",
}


def gerund(phrase):
    """convert a model -> converting a model"""
    verb, _, rest = phrase.partition(" ")
    if verb in IRREGULAR:
        form = IRREGULAR[verb]
    elif verb.endswith("e") and not verb.endswith("ee"):
        form = verb[:-1] + "ing"
    else:
        form = verb + "ing"
    return (form + " " + rest).strip()

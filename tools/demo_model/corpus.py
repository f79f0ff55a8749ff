#!/usr/bin/env python3
"""Writes the conversations that the demo model learns from.

facts/*.txt hold what the model shall know, one block per intent:

    ## name
    P: key=value:text|value:text     parameters (joined by " / "), drawn for each use; {key} and {key.text}
    A: the answer                    E: an example command (else the first one in the answer)
    V: a verb phrase                 "convert a model to 4 bit", put into the frames of facts/frames.txt
    N: a noun phrase                 "4-bit conversion", likewise
    S: a whole sentence              used as it stands
    C: pull | --offline              a command or option that people ask about by name

Phrases follow grammar.py. One line in ten, chosen by its checksum, and one frame in ten never appear in training:
they make up the development set, which measures wordings that the model has not seen. (The last part of training
takes them in.) The questions of questions.jsonl are kept out of everything.

Everything is a function of the seed.
"""

import argparse
import json
import pathlib
import random
import re
import zlib

from grammar import gerund, parse, sample, tidy

HERE = pathlib.Path(__file__).resolve().parent
FACTS = HERE / "facts"
TOPICS = ["keep", "make", "use", "serve", "options", "general", "offtopic"]

PLAIN = {  # the frames that people use most
    "V": ["{v}", "{v}", "how do I {v}?", "how to {v}", "how can I {v}?", "can I {v}?", "I want to {v}"],
    "N": ["{n}", "{n}", "what about {n}?", "how does {n} work?"],
    "S": ["{s}"],
    "C": ["{c}", "what does {c} do?"],
}
SYNONYMS = {
    "show": "display|print|view", "see": "view|look at|check", "model": "LLM|network|checkpoint|language model",
    "models": "LLMs|checkpoints|networks", "command": "cmd|instruction|verb", "answer": "reply|response|output",
    "answers": "replies|responses|outputs", "find": "locate|discover", "start": "launch|begin|fire up",
    "use": "employ|utilize|work with", "folder": "directory|dir", "change": "alter|modify|adjust",
    "download": "fetch|get|load", "delete": "remove|erase", "big": "large|huge", "small": "little|tiny",
    "fast": "quick|speedy", "question": "query", "picture": "image|photo", "get": "obtain|receive",
    "want": "wish|need", "computer": "machine|pc|laptop", "memory": "RAM|mem", "stop": "halt|end", "make": "create",
    "text": "words|string", "file": "document", "list": "show|enumerate", "check": "verify|test|inspect",
    "give": "provide|supply", "tell": "inform", "good": "decent|nice", "server": "service|API server", "run": "execute",
    "my": "the|our", "the": "my|this|", "a": "the|some|one|", "convert": "transform|change|turn",
}
CONTRACTED = {
    "do not": "don't", "does not": "doesn't", "I am": "I'm", "want to": "wanna", "going to": "gonna", "is not": "isn't",
    "what is": "whats", "cannot": "can't", "please": "pls", "you": "u", "are": "r", "because": "cuz", "I would": "I'd",
}
NEIGHBOURS = dict(zip("qwertyuiopasdfghjklzxcvbnm", "wertyuioopsdfghjkklxcvbnmn"))


def bucket(text):
    return zlib.crc32(text.encode()) % 10


def normal(text):
    return re.sub(r"[^a-z0-9]+", " ", text.lower()).strip()


def read_blocks(path):
    blocks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("## "):
            blocks.append((line[3:], []))
        elif line.startswith("#") or not line.strip():
            continue
        else:
            kind, separator, text = line.partition(": ")
            if not separator or not blocks:
                raise ValueError(f"{path.name}:{number}: expected 'K: text', found {line!r}")
            blocks[-1][1].append((kind, text))
    return blocks


def read_lists(name):
    lists = {}
    for line in (FACTS / name).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            key, _, text = line.partition(": ")
            lists[key] = [parse(part) for part in text.split("|")]
    return lists


class Intent:
    def __init__(self, name, lines):
        self.name = name
        self.is_verb = ("C", name) in lines or any(k == "C" and t.startswith(name + " | ") for k, t in lines)
        self.answer = self.example = None
        self.parameters = {}
        self.phrases = {"V": [], "N": [], "S": [], "C": []}  # kind -> [(tree, held_out)]
        for kind, text in lines:
            if kind == "A":
                self.answer = text
            elif kind == "E":
                self.example = text
            elif kind == "P":
                for part in text.split(" / "):
                    key, _, values = part.partition("=")
                    self.parameters[key] = [value.partition(":")[::2] for value in values.split("|")]
            elif kind == "C":
                for part in text.split(" | "):
                    names = [part, f"pome {part}", f"`pome {part}`"] if part[0].isalpha() and part.islower() else [part]
                    self.phrases["C"] += [([n], False) for n in names]
            else:
                self.phrases[kind].append((parse(text), bucket(name + text) == 0))
        if self.example is None:
            self.example = example_in(self.answer)

    def draw_parameters(self, rng):
        drawn = {}
        for key, values in self.parameters.items():
            value, text = rng.choice(values)
            drawn[key], drawn[key + ".text"] = value, text
        return drawn


def example_in(answer):
    """The first command line of an answer; a lone option becomes one."""
    spans = re.findall(r"`([^`]+)`", answer)
    commands = [span for span in spans if "pome " in span and not re.search(r"pome [A-Z]", span)]
    options = [span for span in spans if span.startswith("--")]
    if commands:
        return f"`{commands[0]}`"
    return f'`pome run MODEL {options[0]} "your question"`' if options else None


def fill(text, drawn):
    for key, value in drawn.items():
        text = text.replace("{" + key + "}", value)
    return text


class Corpus:
    def __init__(self, all_wordings=False):
        self.all_wordings = all_wordings  # train on the development set's wordings too, once nothing is left to decide
        self.intents = [Intent(name, lines) for t in TOPICS for name, lines in read_blocks(FACTS / f"{t}.txt")]
        names = [intent.name for intent in self.intents]
        if len(set(names)) != len(names):
            raise ValueError("an intent is defined twice")
        self.macros = read_lists("macros.txt")
        self.manners = {k: [t[0] for t in v] for k, v in read_lists("manners.txt").items()}
        self.systems = (FACTS / "system.txt").read_text(encoding="utf-8").splitlines()
        self.frames = {"V": [], "N": [], "C": []}
        for line in (FACTS / "frames.txt").read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                self.frames[line[0]].append((parse(line[3:]), bucket(line) == 0))
        self.frames["S"] = [(parse("{s}"), False)]
        questions = (HERE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        self.forbidden = {normal(json.loads(line)["question"]) for line in questions}
        self.weights = [self.weight(intent) for intent in self.intents]

    @staticmethod
    def weight(intent):
        """Verbs are asked about most, then what is one step away from them."""
        lines = sum(len(p) for p in intent.phrases.values())
        common = 2.5 if intent.is_verb else 1.0
        return {"offtopic": 70.0, "convert.bits": 20.0}.get(intent.name, common * (1.0 + 0.4 * lines**0.5))

    def question(self, intent, drawn, rng, held_out):
        """One clean question; held_out asks for wordings of the development set."""
        kinds = [k for k, p in intent.phrases.items() if p]
        weights = [{"V": 2.5, "N": 1.3, "S": 1.5, "C": 0.7}[k] * (1 + len(intent.phrases[k])) ** 0.5 for k in kinds]
        for _ in range(400):
            kind = rng.choices(kinds, weights)[0]
            phrase, phrase_held = rng.choice(intent.phrases[kind])
            frame, frame_held = rng.choice(self.frames[kind])
            if not held_out and rng.random() < 0.35:
                frame, frame_held = parse(rng.choice(PLAIN[kind])), False
            if (phrase_held or frame_held) != held_out and (held_out or not self.all_wordings):
                continue
            macros = {**self.macros, **drawn}
            text = tidy(sample(phrase, rng, macros))
            forms = {"s": text, "v": text, "n": text, "c": text, "g": gerund(text)}
            question = tidy(sample(frame, rng, {**macros, **forms}))
            if normal(question) not in self.forbidden:
                return question
        return None

    def noisy(self, text, rng):
        """The same question as hurried, chatty or clumsy people type it."""
        words = text.split(" ")
        if rng.random() < 0.35:
            words = [rng.choice(SYNONYMS[w].split("|")) if w in SYNONYMS and rng.random() < 0.3 else w for w in words]
        if rng.random() < 0.12 and len(words) > 4:
            words = [w for w in words if len(w) > 4 or "-" in w or w.isdigit() or rng.random() > 0.25]
        if rng.random() < 0.14:
            for _ in range(rng.choice([1, 1, 2])):
                at = rng.randrange(len(words))
                words[at] = typo(words[at], rng)
        text = tidy(" ".join(words))
        if rng.random() < 0.15:
            for long, short in CONTRACTED.items():
                if rng.random() < 0.5:
                    text = re.sub(rf"\b{long}\b", short, text)
        if rng.random() < 0.15:
            text = rng.choice(self.manners["before"]) + " " + text
        if rng.random() < 0.15:
            text = text.rstrip("?") + " " + rng.choice(self.manners["after"])
        roll = rng.random()
        if roll < 0.40:
            text = text.lower()
        elif roll < 0.75:
            text = text[:1].upper() + text[1:]
        elif roll < 0.765:
            text = text.upper()
        roll = rng.random()
        if roll < 0.35:
            text = text.rstrip("?.!")
        elif roll < 0.5 and text[-1:].isalnum():
            text += rng.choice("??.!")
        if rng.random() < 0.1:
            text = text.replace("'", "")
        return tidy(text)

    def turn(self, rng, held_out=False, intent=None):
        """Returns (intent, question, answer, example)."""
        while True:
            chosen = intent or rng.choices(self.intents, self.weights)[0]
            drawn = chosen.draw_parameters(rng)
            question = self.question(chosen, drawn, rng, held_out)
            if question is None:
                if intent:
                    return None
                continue
            if not held_out:
                question = self.noisy(question, rng)
            if question and normal(question) not in self.forbidden:
                return chosen, question, fill(chosen.answer, drawn), fill(chosen.example or "", drawn)

    def conversation(self, rng):
        """A list of {role, content}, as a chat template takes it."""
        messages = []
        if rng.random() < 0.3:
            messages.append({"role": "system", "content": rng.choice(self.systems)})
        turns = 1 if rng.random() < 0.82 else rng.choice([2, 2, 3, 4])
        answer = example = ""
        for index in range(turns):
            roll = rng.random()
            if index and roll < 0.12:
                question = rng.choice(self.manners["example"])
                answer = f"For example: {example}." if example else answer
            elif index and roll < 0.18:
                question = rng.choice(self.manners["again"])
            else:
                _, question, answer, example = self.turn(rng)
                if index and rng.random() < 0.4:
                    question = rng.choice(self.manners["and"]) + " " + question
            messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        return messages

    def development(self, seed, count):
        """Questions in held-out wordings: [{intent, question, answer}]."""
        rng = random.Random(seed)
        rows = []
        while len(rows) < count:
            turn = self.turn(rng, held_out=True, intent=rng.choice(self.intents))
            if turn:
                rows.append({"intent": turn[0].name, "question": turn[1], "answer": turn[2]})
        return rows


def typo(word, rng):
    if len(word) < 4 or not word.isalpha():
        return word
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + NEIGHBOURS.get(word[at], word[at]) + word[at + 1 :]


def main():
    parser = argparse.ArgumentParser(description="print conversations, or the development set, as JSON lines")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--development", action="store_true")
    arguments = parser.parse_args()
    corpus = Corpus()
    rng = random.Random(arguments.seed)
    if arguments.development:
        rows = corpus.development(arguments.seed, arguments.count)
    else:
        rows = [corpus.conversation(rng) for _ in range(arguments.count)]
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()

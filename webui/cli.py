"""The `webui` command: flags become settings or a request, nothing else."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webui import flags
from webui.core.errors import EaselError, InvalidRequest, SetupError, TooLarge
from webui.core.measure import TEMPLATE, Measure, Picture, label_list
from webui.core.params import fields_of
from webui.core.requests import Img2Img, Request, Txt2Img, Upscale
from webui.core.results import Score

if TYPE_CHECKING:
    from webui.library.inputs import Inputs

USAGE_ERROR = 2
FAILED = 1
INTERRUPTED = 130
EVAL_FIELDS = (
    "checkpoint", "negative_prompt", "sampler", "scheduler", "steps", "cfg_scale", "seed",
    "clip_score",
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0 done, 1 failed, 2 bad input, 130 interrupted)."""
    words = flags.with_value(list(sys.argv[1:] if argv is None else argv), _valued())
    args = _parser().parse_args(words or ["serve"])
    try:
        return args.run(args)
    except EaselError as error:
        print(f"easel: {error.message}", file=sys.stderr)
        return USAGE_ERROR if error.code in ("invalid_request", "not_found") else FAILED
    except BrokenPipeError:
        sys.stdout = None  # whoever read it has left; nothing is to be said when we end
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="webui", description="Easel draws pictures from text, in a browser or here."
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_serve(commands.add_parser("serve", help="start the server and open the browser"))
    _add_generate(commands.add_parser("generate", help="draw without a server, or at one"))
    _add_upscale(commands.add_parser("upscale", help="enlarge pictures, here or at a server"))
    _add_jobs(commands.add_parser("jobs", help="list a server's newest jobs"))
    _add_eval(commands.add_parser("eval", help="draw prompts and measure what is in the pictures"))
    _add_rank(commands.add_parser("rank", help="order pictures by how well they fit a prompt"))
    _add_label(commands.add_parser("label", help="say which of some labels fits a picture"))
    convert = commands.add_parser(
        "convert-upscaler", help="make a .safetensors file of a pickled upscaling model"
    )
    convert.add_argument("file", type=Path, nargs="+", help="a .pth, .pt, .ckpt or .bin file")
    convert.set_defaults(run=_convert)
    doctor = commands.add_parser("doctor", help="say what is installed, and what is wrong")
    doctor.add_argument("--json", action="store_true", help="print JSON")
    flags.add_settings(doctor, flags.SETTING_FLAGS)
    doctor.set_defaults(run=_doctor)
    return parser


def _add_serve(parser: argparse.ArgumentParser) -> None:
    flags.add_settings(parser, flags.SETTING_FLAGS, flags.SERVE_FLAGS)
    parser.add_argument(
        "--listen",
        dest="setting:server.host",
        nargs="?",
        const="0.0.0.0",  # noqa: S104 -- asked for, and a password is required then
        metavar="ADDRESS",
        help="serve the whole network, or one address of this computer",
    )
    for flag, key, value, text in (
        ("--share", "server.share", True, "make a public link (asks for a password)"),
        ("--no-browser", "server.browser", False, "do not open the browser"),
        ("--mcp", "server.mcp", True, "let agents draw by MCP (needs the package mcp)"),
        (
            "--metrics",
            "server.metrics",
            True,
            "serve /metrics for Prometheus (needs prometheus-client)",
        ),
        ("--api-server-stop", "server.api_server_stop", True, "let the API end the server"),
    ):
        parser.add_argument(
            flag, dest=f"setting:{key}", action="store_const", const=value, help=text
        )
    parser.set_defaults(run=_serve)


def _add_generate(parser: argparse.ArgumentParser) -> None:
    flags.add_drawing(parser)
    parser.add_argument("--size", metavar="WxH", help="width and height in one, like 512x768")
    parser.add_argument(
        "--count", dest="count", metavar="N", help="how many pictures, same as --batch-count"
    )
    _add_making(parser, _generate)


def _add_upscale(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="the pictures")
    flags.add_request(parser, Upscale)
    _add_making(parser, _upscale)


def _add_making(parser: argparse.ArgumentParser, run: Callable[..., int]) -> None:
    """What all commands that make pictures have in common."""
    parser.add_argument("--output", dest="setting:paths.outputs", help="same as --output-dir")
    parser.add_argument("--json", action="store_true", help="print one JSON line per picture")
    _add_server(parser)
    flags.add_settings(parser, flags.SETTING_FLAGS)
    parser.set_defaults(run=run)


def _add_jobs(parser: argparse.ArgumentParser) -> None:
    _add_server(parser, required=True)
    parser.add_argument("--limit", metavar="N", help="only the newest so many [50]")
    parser.add_argument("--json", action="store_true", help="print one JSON line per job")
    parser.set_defaults(run=_jobs)


def _add_server(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    parser.add_argument(
        "--url", metavar="ADDRESS", required=required, help="a running server, http://host:port"
    )
    parser.add_argument(
        "--user",
        metavar="NAME",
        help="who to log in as there; the password is taken from EASEL_PASSWORD, else asked for",
    )


def _add_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prompts", type=Path, metavar="FILE", help="prompts and their facts")
    parser.add_argument("--limit", metavar="N", help="only the first so many prompts")
    parser.add_argument("--size", metavar="WxH", help="width and height in one, like 192x128")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the table as JSON")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the pictures there")
    parser.add_argument("--gates", action="store_true", help="fail where a least share is missed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    flags.add_request(parser, Txt2Img, only=EVAL_FIELDS)
    flags.add_settings(parser, flags.SETTING_FLAGS)
    parser.set_defaults(run=_eval)


def _add_rank(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", metavar="PROMPT", help="what the pictures are compared with")
    parser.add_argument("files", metavar="FILE", nargs="+", type=Path, help="the pictures")
    _add_measure(parser, _rank)


def _add_label(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=Path, help="the picture")
    parser.add_argument("--labels", required=True, metavar="A,B,C", help="the labels to choose of")
    parser.add_argument(
        "--template", default=TEMPLATE, help=f"the sentence each label is put into [{TEMPLATE}]"
    )
    _add_measure(parser, _label)


def _add_measure(parser: argparse.ArgumentParser, run: Callable[..., int]) -> None:
    parser.add_argument("--clip-model", default="", metavar="NAME", help="a model of models/clip")
    parser.add_argument("--json", action="store_true", help="print one JSON line per result")
    flags.add_settings(parser, flags.SETTING_FLAGS)
    parser.set_defaults(run=run)


def _valued() -> tuple[str, ...]:
    declared = [f.flag for kind in (Txt2Img, Img2Img, Upscale) for f in fields_of(kind)]
    return (*declared, "--count", "--port")


def _settings(args: argparse.Namespace) -> Any:
    from webui.settings import load_settings

    try:
        settings = load_settings(flags.settings_from(args))
    except SetupError as error:
        raise InvalidRequest(error.message) from None  # of whoever wrote flag, variable or file
    for warning in settings.warnings:
        print(f"easel: {warning}", file=sys.stderr)
    return settings


def _serve(args: argparse.Namespace) -> int:
    from webui.app import serve

    return serve(_settings(args))


def _doctor(args: argparse.Namespace) -> int:
    from webui.doctor import examine

    return examine(_settings(args), as_json=args.json)


def _convert(args: argparse.Namespace) -> int:
    convert = importlib.import_module("webui.engine.upscalers.convert").convert
    for path in args.file:
        print(f"{path} is now {convert(path)}")
    return 0


def _eval(args: argparse.Namespace) -> int:
    from webui.grading import Exam, grade

    values = flags.request_from(args, Txt2Img)
    if args.size is not None:
        values["width"], values["height"] = flags.parse_size(args.size)
    exam = Exam(
        template=Txt2Img.from_mapping({"sampler": "Euler", "seed": 1, **values}),
        prompts=args.prompts,
        limit=flags.parse_count("--limit", args.limit),
        out=args.out,
        keep=args.keep,
    )
    return grade(_settings(args), exam, as_json=args.json, strict=args.gates)


def _generate(args: argparse.Namespace) -> int:
    kind, fields, files = flags.drawing_from(args)
    if args.size is not None:
        fields["width"], fields["height"] = flags.parse_size(args.size)
    if args.count is not None:
        count = next(f for f in fields_of(kind) if f.name == "batch_count")
        fields["batch_count"] = count.parse(args.count)
    if args.url is not None:
        return _make_there(args, {**fields, **files})
    whole = kind.from_mapping(fields)

    def wanted(inputs: Inputs) -> Request:
        return replace(whole, **{name: _kept(inputs, path) for name, path in files.items()})

    return _make_here(args, wanted)


def _upscale(args: argparse.Namespace) -> int:
    fields = flags.request_from(args, Upscale)
    if args.url is not None:
        return _make_there(args, {**fields, "images": args.files})

    def wanted(inputs: Inputs) -> Request:
        return Upscale.asked({**fields, "images": [_kept(inputs, path) for path in args.files]})

    return _make_here(args, wanted)


def _kept(inputs: Inputs, path: Path) -> str:
    """The id of a file's picture, which is kept to start from."""
    from webui.client.sending import about, file_bytes

    data = file_bytes(path)
    try:
        return inputs.put(data).id
    except (InvalidRequest, TooLarge) as error:
        raise about(path, error) from None


def _make_here(args: argparse.Namespace, wanted: Callable[[Inputs], Request]) -> int:
    """Make pictures without a server; they are saved where the settings say."""
    if args.user is not None:
        raise InvalidRequest("--user goes with --url.", field="user")
    from webui.app import draw

    settings = _settings(args)
    quiet = replace(settings, jobs=replace(settings.jobs, preview_every=0))
    failed = None
    for event in draw(quiet, wanted):
        if event.image is not None:
            _print_image(event.image, event.image.path, as_json=args.json)
        elif event.error is not None:
            failed = event.error
    if failed is not None:
        raise failed.to_exception()
    return 0


def _make_there(args: argparse.Namespace, fields: Mapping[str, Any]) -> int:
    """Make pictures at a running server; they are saved on this computer."""
    from webui.client import command

    chosen = flags.settings_from(args)
    foreign = sorted(set(chosen) - {"paths.outputs"})
    if foreign:
        raise InvalidRequest(f"With --url the server has its own {foreign[0]}; leave it out.")
    folder = Path(chosen["paths.outputs"]) if chosen else _settings(args).paths.outputs
    with command.connect(args.url, args.user) as easel:
        command.draw(easel, fields, folder, partial(_print_image, as_json=args.json))
    return 0


def _jobs(args: argparse.Namespace) -> int:
    from webui.client import command

    limit = flags.parse_count("--limit", args.limit) or 50
    with command.connect(args.url, args.user) as easel:
        found = easel.jobs(limit=limit)
    for line in command.json_lines(found) if args.json else command.lines(found):
        print(line, flush=True)
    return 0


def _rank(args: argparse.Namespace) -> int:
    names = [str(path) for path in args.files]
    pictures = tuple(_picture(path, "images") for path in args.files)
    request = Measure(prompt=args.prompt, pictures=pictures, model=args.clip_model)
    return _measure(args, request, names)


def _label(args: argparse.Namespace) -> int:
    labels = label_list(args.labels.split(","))
    picture = _picture(args.file, "image")
    request = Measure(
        task="labels",
        labels=labels,
        template=args.template,
        pictures=(picture,),
        model=args.clip_model,
    )
    return _measure(args, request, labels)


def _picture(path: Path, field: str) -> Picture:
    from webui.metadata import small_png

    return Picture.of(path.name, small_png(path, repr(path.name), field=field))


def _measure(args: argparse.Namespace, request: Measure, names: Sequence[str]) -> int:
    """Compare, and print a line for each of ``names``, the best first."""
    from webui.app import draw

    failed = None
    for event in draw(_settings(args), request):
        for score in event.scores or ():
            _print_score(score, names[score.index], as_json=args.json)
        failed = event.error or failed
    if failed is not None:
        raise failed.to_exception()
    return 0


def _print_score(score: Score, name: str, *, as_json: bool) -> None:
    if as_json:
        line = {
            "name": name,
            "clip_score": round(score.clip_score, 3),
            "clipscore": round(score.hessel, 5),
            "probability": round(score.probability, 6),
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)
    else:
        print(f"{score.probability:7.1%} {score.clip_score:6.1f}  {name}", flush=True)


def _print_image(image: Any, path: str | Path, *, as_json: bool) -> None:
    if as_json:
        line = {
            "path": str(Path(path).absolute()),
            "seed": image.seed,
            "infotext": image.infotext,
            "seconds": round(image.seconds, 3),
        }
        print(json.dumps(line, ensure_ascii=False), flush=True)
    else:
        print(path, flush=True)

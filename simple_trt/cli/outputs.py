"""The outputs of `simple-trt run`: which there are, that none lands on another, and who gets which people."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from simple_trt.errors import UsageError
from simple_trt.runtime import (
    AnnotatedSink,
    CocoSink,
    Found,
    JsonLinesSink,
    PictureSource,
    Sink,
    Source,
    SourceMeter,
    check_image_ids,
)

__all__ = ["TOKEN_VARIABLE", "Outputs", "check_outputs", "open_outputs"]

TOKEN_VARIABLE = "SIMPLE_TRT_WEB_TOKEN"  # not a flag: every user of the machine sees a command's flags


class Outputs:
    """The outputs of one run. COCO results take every person, since average precision needs the unsure ones too."""

    def __init__(self, coco: list[Sink], others: list[Sink], address: str = "") -> None:
        self.coco, self.others = coco, others
        self.address = address

    def write(self, found: Found) -> None:
        """Give each what it takes."""
        for sink in self.coco:
            sink.write(found.frame, found.people)
        for sink in self.others:
            sink.write(found.frame, found.shown)

    @property
    def done(self) -> bool:
        """Whether one of them wants no more: its window was closed."""
        return any(sink.done for sink in self.others)


def open_outputs(args: argparse.Namespace, meters: Sequence[SourceMeter], stack: ExitStack) -> Outputs:
    """The outputs that the flags ask for, closed with the stack."""
    live = any(meter.live for meter in meters)
    coco: list[Sink] = [stack.enter_context(CocoSink(args.save_coco))] if args.save_coco else []
    others: list[Sink] = [stack.enter_context(JsonLinesSink(args.json, growing=live))] if args.json else []
    if args.save:
        others.append(stack.enter_context(AnnotatedSink(args.save)))
    if args.save_video:
        from simple_trt.runtime.video_sink import VideoSink

        others.append(stack.enter_context(VideoSink(args.save_video, live)))
    if args.window:
        from simple_trt.runtime.window import WindowSink

        others.append(stack.enter_context(WindowSink()))
    if args.web is None:
        return Outputs(coco, others)
    from simple_trt.runtime.web import WebSink

    page = WebSink(meters, Path(args.engine).name, args.web, args.web_host, os.environ.get(TOKEN_VARIABLE))
    others.append(stack.enter_context(page))
    return Outputs(coco, others, page.address)


def check_outputs(args: argparse.Namespace, sources: Sequence[Source]) -> None:
    """Raises SimpleTrtError when an output would land on a picture or another output, or COCO results lack ids."""
    pictures = [source for source in sources if isinstance(source, PictureSource)]
    if args.save_coco:
        _check_coco(pictures, sources)
    files = [Path(name).resolve() for name in (args.json, args.save_coco, args.save_video) if name and name != "-"]
    read = {path.resolve() for source in pictures for path in source.paths}
    taken = read | {Path(word).resolve() for word in (args.engine, *args.source)}
    for file in files:
        if file in taken and not file.is_dir():
            raise UsageError(f"'{file}' would be written twice or over what is read", "choose another file name")
        taken.add(file)
    if args.save and Path(args.save).resolve() in {path.parent for path in read}:
        raise UsageError(f"--save '{args.save}' is the folder of the pictures themselves", "choose another folder")
    names = [name for source in pictures for name in source.names] if args.save else []
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"two pictures are called '{min(twice)}'", "run them one after the other, or leave out --save")


def _check_coco(pictures: Sequence[PictureSource], sources: Sequence[Source]) -> None:
    for source in sources:
        if source not in pictures:
            cause = f"the frames of '{source.name}' have no image_id: COCO results need pictures named by their id"
            raise UsageError(cause, "save the frames as pictures (1.jpg, 2.jpg, ...) first, or leave out --save-coco")
        check_image_ids(name for picture in pictures for name in picture.names)

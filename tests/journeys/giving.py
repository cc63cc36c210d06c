"""Pictures given to the page as a browser does it when a person drops or pastes them."""

from __future__ import annotations

from playwright.sync_api import Locator

_GIVE = """(element, [kind, files, address, words]) => {
    const data = new DataTransfer();
    for (const [name, type, bytes] of files) {
        data.items.add(new File([new Uint8Array(bytes)], name, { type }));
    }
    if (address) data.setData("text/uri-list", address);
    if (words) data.setData("text/plain", words);
    const init = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...init, clipboardData: data })
        : new DragEvent(kind, { ...init, dataTransfer: data });
    return element.dispatchEvent(event);
}"""

File = tuple[str, str, bytes]
"""Name, type, content."""


def png_file(data: bytes) -> File:
    return ("a.png", "image/png", data)


def give(kind: str, element: Locator, *files: File, address: str = "", words: str = "") -> bool:
    """Let an event of ``kind`` ("dragover", "drop", "paste" …) with files reach an element; whether
    the browser goes on to do what it does by itself.

    ``address`` is that of a picture dragged from the page itself, ``words`` a text beside it.
    """
    listed = [[name, type_, list(data)] for name, type_, data in files]
    return element.evaluate(_GIVE, [kind, listed, address, words])

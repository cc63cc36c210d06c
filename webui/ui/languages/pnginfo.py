"""What the PNG Info tab says."""

from __future__ import annotations

from collections.abc import Mapping

EN: Mapping[str, str] = {
    "tab_pnginfo": "PNG Info",
    "pnginfo_drop": "Drop a picture here, or paste one",
    "pnginfo_choose": "Choose a picture…",
    "pnginfo_hint": "PNG, JPEG, WebP or AVIF, up to 32 MiB. It is read and not kept.",
    "pnginfo_paste": "Or paste the text that came with a picture",
    "pnginfo_read": "Read text",
    "pnginfo_empty": "What a picture says about how it was made is shown here.",
    "pnginfo_copy": "Copy text",
    "pnginfo_program": "Written by {program}",
    "pnginfo_unnamed": "In A1111's format, by a program it does not name",
    "pnginfo_place": "found in “{place}”",
    "pnginfo_hidden": "hidden in the picture's transparency",
    "pnginfo_exact": "The whole request is in the file, too.",
    "pnginfo_problems": "What cannot be used here",
    "pnginfo_prompt": "Prompt",
    "pnginfo_negative": "Negative prompt",
    "pnginfo_values": "Parameters",
    "pnginfo_unused": "Parameters that mean nothing here",
    "pnginfo_raw": "As it is in the file",
}

ZH: Mapping[str, str] = {
    "tab_pnginfo": "PNG 信息",
    "pnginfo_drop": "将图片拖放或粘贴到这里",
    "pnginfo_choose": "选择图片…",
    "pnginfo_hint": "PNG、JPEG、WebP 或 AVIF，最大 32 MiB。只读取，不保存。",
    "pnginfo_paste": "或粘贴图片附带的文本",
    "pnginfo_read": "读取文本",
    "pnginfo_empty": "图片中记录的生成方式会显示在这里。",
    "pnginfo_copy": "复制文本",
    "pnginfo_program": "由 {program} 写入",
    "pnginfo_unnamed": "A1111 格式，未注明程序",
    "pnginfo_place": "位于“{place}”",
    "pnginfo_hidden": "隐藏在图片的透明通道中",
    "pnginfo_exact": "文件中还保存了完整的请求。",
    "pnginfo_problems": "此处无法使用的内容",
    "pnginfo_prompt": "提示词",
    "pnginfo_negative": "反向提示词",
    "pnginfo_values": "参数",
    "pnginfo_unused": "此处无意义的参数",
    "pnginfo_raw": "文件中的原文",
}

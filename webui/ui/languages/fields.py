"""Labels and explanations of request fields and settings, by their English words."""

from __future__ import annotations

from collections.abc import Mapping

_REQUESTS: Mapping[str, str] = {
    "Prompt": "提示词",
    "What to draw. (word:1.2) gives a word more weight.": "要画的内容。(词:1.2) 会提高该词的权重。",
    "Negative prompt": "反向提示词",
    "What to keep out of the picture.": "不希望画面中出现的内容。",
    "Checkpoint": "模型",
    "The model that draws.": "用来绘图的模型。",
    "Sampling method": "采样方法",
    "The numerical method that turns noise into a picture.": "把噪声变成图片的数值方法。",
    "Schedule type": "调度类型",
    "How the noise levels are spaced; Automatic takes the method's own.": "噪声强度的分布方式；"
    "Automatic 使用采样方法自带的方式。",
    "Sampling steps": "采样步数",
    "More steps take longer and add detail up to a point.": "步数越多耗时越长，"
    "细节在一定限度内会增加。",
    "Width": "宽度",
    "Height": "高度",
    "In pixels; empty means the checkpoint's native size.": "以像素为单位；"
    "留空则使用模型的原生尺寸。",
    "Batch count": "批次数",
    "How many batches are drawn, one after another.": "依次绘制多少批。",
    "Batch size": "每批数量",
    "How many pictures are drawn at once.": "同时绘制多少张图片。",
    "CFG Scale": "提示词引导系数",
    "How strictly the picture follows the prompt.": "图片遵循提示词的严格程度。",
    "Seed": "随机种子",
    "The same seed draws the same picture; -1 takes a random one.": "相同的种子画出相同的图片；"
    "-1 表示随机。",
    "Variation seed": "变异种子",
    "The seed of the noise that is mixed in; -1 takes a random one.": "混入噪声所用的种子；"
    "-1 表示随机。",
    "Variation strength": "变异强度",
    "How much of the variation seed's noise is mixed in: 0 none, 1 nothing else.": "混入多少变异"
    "种子的噪声：0 为不混入，1 为完全取代。",
    "Tiling": "平铺",
    "Draw a picture whose opposite edges meet, so that it can be repeated as a tile.": "画出对边"
    "相接的图片，可以像瓷砖一样重复。",
    "Clip skip": "CLIP 跳过层数",
    "Take the text encoder's output that many layers before the end; 1 is the end.": "取文本编码器"
    "倒数第几层的输出；1 为最后一层。",
    "Noise source": "噪声来源",
    "NV draws an NVIDIA GPU's noise on every device, so seeds mean the same anywhere.": "NV 在任何"
    "设备上都产生与 NVIDIA 显卡相同的噪声，因此种子处处一致。",
    "Best of": "择优数量",
    "Draws that many candidates for each picture and keeps the one that CLIP finds closest to the "
    "prompt, as DALL·E did.": "为每张图片绘制这么多候选，"
    "并像 DALL·E 那样保留 CLIP 认为最接近提示词的一张。",
    "CLIP score": "CLIP 评分",
    "Measure with CLIP how well the picture fits the prompt, and note it with the parameters.": ""
    "用 CLIP 衡量图片与提示词的契合程度，并记入参数。",
}
_SETTINGS: Mapping[str, str] = {
    "Server": "服务器",
    "Folders": "文件夹",
    "Saving pictures": "保存图片",
    "Drawing": "绘制",
    "Device": "设备",
    "Address": "地址",
    "127.0.0.1 serves this computer only; 0.0.0.0 the whole network.": "127.0.0.1 只供本机使用；"
    "0.0.0.0 供整个网络使用。",
    "Port": "端口",
    "0 takes a free one.": "0 表示使用空闲端口。",
    "Public link": "公开链接",
    "Make a public Gradio share link.": "创建公开的 Gradio 分享链接。",
    "Users": "用户",
    "USER:PASSWORD, several separated by commas; empty asks nobody.": "格式为 用户名:密码，"
    "多个用逗号分隔；留空则不要求登录。",
    "Open browser": "打开浏览器",
    "Open the page when it is ready.": "页面就绪后自动打开。",
    "Allowed origins": "允许的来源",
    "Other sites whose pages may call this one, such as https://example.org.": "其页面可以调用"
    "本服务的其他网站，例如 https://example.org。",
    "Allowed host names": "允许的主机名",
    "Further names this server is reached by, such as that of a proxy before it.": "访问本服务器的"
    "其他名称，例如前置代理的名称。",
    "Administrators": "管理员",
    "Users who may change the installation from afar; on this computer everyone may.": "可以远程"
    "更改本安装的用户；在本机上人人都可以。",
    "Models folder": "模型文件夹",
    "Where the models lie.": "存放模型的位置。",
    "Output folder": "输出文件夹",
    "Where pictures are saved.": "保存图片的位置。",
    "Data folder": "数据文件夹",
    "Where queue, library, settings and caches are kept.": "存放队列、图库、设置和缓存的位置。",
    "Folder of an existing A1111/ComfyUI/Forge installation": "现有 A1111/ComfyUI/Forge "
    "安装的文件夹",
    "Its models are used where they lie, nothing is copied; empty uses none.": "模型留在原处"
    "直接使用，不复制任何文件；留空则不使用。",
    "File format for images": "图片格式",
    "PNG keeps every pixel; JPEG, WebP and AVIF are smaller.": "PNG 保留每个像素；"
    "JPEG、WebP 和 AVIF 体积更小。",
    "Quality for saved jpeg, webp and avif images": "JPEG、WebP 和 AVIF 图片的质量",
    "Higher is larger and closer to what was drawn; PNG has none.": "数值越高，文件越大、"
    "越接近原图；PNG 无此项。",
    "Use lossless compression for webp images": "WebP 图片使用无损压缩",
    "WebP then keeps every pixel, as PNG does.": "这样 WebP 就像 PNG 一样保留每个像素。",
    "Images filename pattern": "图片文件名格式",
    "Made of [number] [seed] [date] [model_name] [prompt_words] [width] [height] [job], A1111's "
    "other parts, and other text.": "由 [number] [seed] [date] [model_name] [prompt_words] [width] "
    "[height] [job]、A1111 的其他部分以及其他文字组成。",
    "Max prompt words for [prompt_words] pattern": "[prompt_words] 最多包含的词数",
    "How many of a prompt's first words go into a name.": "文件名中使用提示词开头的几个词。",
    "Save images to a subdirectory": "将图片保存到子文件夹",
    "Named by the directory name pattern.": "按子文件夹名格式命名。",
    "Directory name pattern": "子文件夹名格式",
    "Made of the same parts as file names; / begins a folder in the folder.": "组成部分与文件名"
    "相同；/ 表示下一级文件夹。",
    "Write infotext to metadata of the generated image": "将生成参数写入图片的元数据",
    "Create a text file next to every image with generation parameters": "在每张图片旁另存生成参数"
    "文本文件",
    "The same text, as a .txt file of the same name.": "内容相同，存为同名的 .txt 文件。",
    "Always save all generated image grids": "总是保存图片网格",
    "One more file, grid-0000 and so on, that shows all pictures of a job of several.": "任务有多张"
    "图片时，另存一个 grid-0000 之类的文件，展示全部图片。",
    "Grid row count; use -1 for autodetect and 0 for it to be same as batch size": "网格行数；"
    "-1 为自动，0 为与每批数量相同",
    "Autodetect makes grids about as high as wide, counted in pictures.": "自动时网格的行数与列数"
    "大致相等。",
    "Prevent empty spots in grid (when set to autodetect)": "避免网格留空（自动时）",
    "Take fewer rows instead, so that every place has a picture.": "改用较少的行数，"
    "使每个位置都有图片。",
    "So that a picture can be drawn again from its file.": "这样就能凭图片文件重新绘制。",
    "Batching": "批处理方式",
    "Exact draws one job at a time; shared draws several users' jobs together.": "exact 一次绘制"
    "一个任务；shared 将多位用户的任务一起绘制。",
    "Preview every N steps": "每 N 步预览一次",
    "0 shows no previews.": "0 表示不显示预览。",
    "auto takes the best there is; or cpu, cuda, cuda:1, mps, xpu.": "auto 选用最好的设备；"
    "也可以是 cpu、cuda、cuda:1、mps、xpu。",
    "Number format": "数值格式",
    "auto takes the fastest the device computes well.": "auto 选用设备能良好计算的最快格式。",
    "Draw in the server's process": "在服务器进程中绘制",
    "For debugging: a crash then ends the server too.": "用于调试：崩溃时服务器也会随之结束。",
}
ZH: Mapping[str, str] = {**_REQUESTS, **_SETTINGS}

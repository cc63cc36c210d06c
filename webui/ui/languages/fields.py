"""Labels and explanations of request fields and settings, and what a field is chosen from, by their
English words; algorithms keep their names."""

from __future__ import annotations

from collections.abc import Mapping

_SECOND_PASS: Mapping[str, str] = {
    "Hires. fix": "高分辨率修复",
    "Draw at the size above, enlarge, then draw over the enlarged picture: large pictures that "
    "hold together.": "先按上面的尺寸绘制，放大后再重绘一遍：得到结构完整的大图。",
    "Upscaler": "放大算法",
    "What enlarges between the passes; the latent ones need a denoising strength of about 0.55 or "
    "more.": "两遍之间用什么放大；潜空间类算法需要约 0.55 以上的重绘幅度。",
    "Hires steps": "高分步数",
    "Steps of the second pass; 0 means as many as the first.": "第二遍的步数；0 表示与第一遍相同。",
    "Denoising strength": "重绘幅度",
    "How much of the enlarged picture is drawn anew: 0 nothing, 1 everything.": "放大后的图片有"
    "多少要重新绘制：0 不重绘，1 全部重绘。",
    "Upscale by": "放大倍数",
    "How many times larger the picture becomes, unless a size is given.": "图片放大的倍数；"
    "若指定了尺寸则以尺寸为准。",
    "Resize width to": "将宽度调整为",
    "In pixels; 0 follows from the height, or from Upscale by where both are 0.": "以像素为单位；"
    "0 表示随高度而定，两者都为 0 时按放大倍数。",
    "Resize height to": "将高度调整为",
    "In pixels; 0 follows from the width, or from Upscale by where both are 0.": "以像素为单位；"
    "0 表示随宽度而定，两者都为 0 时按放大倍数。",
    "Hires sampling method": "高分采样方法",
    "The second pass's sampling method.": "第二遍的采样方法。",
    "Hires schedule type": "高分调度类型",
    "The second pass's schedule.": "第二遍的调度。",
    "Hires CFG Scale": "高分提示词引导系数",
    "The second pass's CFG scale; 0 means the first pass's.": "第二遍的引导系数；0 表示与第一遍"
    "相同。",
    "Hires prompt": "高分提示词",
    "The second pass's prompt; empty means the first pass's.": "第二遍的提示词；留空则与第一遍"
    "相同。",
    "Hires negative prompt": "高分反向提示词",
    "The second pass's negative prompt; empty means the first pass's.": "第二遍的反向提示词；留空"
    "则与第一遍相同。",
    "Image": "图片",
    "The picture to start from: the id that POST /api/v1/inputs gave it.": "起始图片："
    "POST /api/v1/inputs 返回的编号。",
    "Mask": "蒙版",
    "Where to draw: a picture's id as for the image; what is light in it (or opaque, where it has "
    "no colours) is drawn over.": "绘制的位置：与图片一样给出编号；其中明亮（无颜色时则为不透明）"
    "的部分会被重绘。",
    "How much of the picture is drawn anew: 0 nothing, 1 everything.": "图片有多少要重新绘制："
    "0 不重绘，1 全部重绘。",
    "Resize mode": "缩放模式",
    "What happens where the picture has another shape than width and height.": "图片的比例与宽高"
    "不同时如何处理。",
    "Noise multiplier": "噪声倍率",
    "Multiplies the noise that is put on the picture; less keeps it softer.": "加到图片上的噪声的"
    "倍率；越小越柔和。",
    "Mask blur": "蒙版模糊",
    "How far the mask's edge is softened, in pixels.": "蒙版边缘柔化的范围，以像素为单位。",
    "Mask mode": "蒙版模式",
    "Whether what is masked or what is not masked is drawn over.": "重绘蒙版内还是蒙版外的内容。",
    "Masked content": "蒙版内容",
    "What is under the mask to begin with: colours around it, the picture itself, noise, or "
    "nothing.": "蒙版下起初是什么：周围的颜色、图片本身、噪声或空白。",
    "Inpaint area": "重绘区域",
    "Only masked draws the part around the mask at full width and height, and puts it back into "
    "the picture.": "“Only masked”以完整的宽高绘制蒙版周围的部分，再放回图片中。",
    "Only masked padding": "蒙版边缘预留像素",
    "How much around the mask is part of what is drawn, in pixels.": "绘制时蒙版四周一并包含的"
    "范围，以像素为单位。",
}
_SAMPLING: Mapping[str, str] = {
    "Eta": "Eta 值",
    "How much fresh noise each step adds; empty means as much as the sampling method does by "
    "itself.": "每一步加入多少新噪声；留空则由采样方法自行决定。",
    "Sigma churn": "Sigma 扰动（churn）",
    "Noise added before each step, in all; for methods that allow it (Karras et al. 2022).": "每步"
    "之前加入的噪声总量；仅用于支持它的方法（Karras 等，2022）。",
    "Sigma tmin": "Sigma 下限（tmin）",
    "Noise is added only above this noise level.": "仅在高于此噪声强度时加入噪声。",
    "Sigma tmax": "Sigma 上限（tmax）",
    "Noise is added only below this noise level; 0 means everywhere.": "仅在低于此噪声强度时加入"
    "噪声；0 表示不限。",
    "Sigma noise": "Sigma 噪声",
    "How strong added noise is.": "所加入噪声的强度。",
    "Eta noise seed delta": "Eta 噪声种子偏移",
    "Added to the seed of the noise that steps add; 31337 repeats pictures of NovelAI.": "加到各步"
    "噪声种子上的数值；31337 可复现 NovelAI 的图片。",
    "Always discard next-to-last sigma": "总是舍弃倒数第二个 sigma",
    "Leave out the last noise level before zero.": "略去归零之前的最后一个噪声强度。",
    "Schedule min sigma": "调度最小 sigma",
    "The least noise level above zero; 0 means the model's own.": "零以上最小的噪声强度；"
    "0 表示使用模型自身的值。",
    "Schedule max sigma": "调度最大 sigma",
    "The noise level to start from; 0 means the model's own.": "起始的噪声强度；"
    "0 表示使用模型自身的值。",
    "Schedule rho": "调度 rho 值",
    "How the Karras and polyexponential schedules bend; 0 means as usual (7 and 1).": "Karras 与 "
    "polyexponential 调度的弯曲程度；0 表示常用值（7 和 1）。",
    "Beta schedule alpha": "Beta 调度 alpha 值",
    "First parameter of the Beta schedule.": "Beta 调度的第一个参数。",
    "Beta schedule beta": "Beta 调度 beta 值",
    "Second parameter of the Beta schedule.": "Beta 调度的第二个参数。",
    "UniPC variant": "UniPC 变体",
    "Which B(h) UniPC uses, or varying coefficients.": "UniPC 使用哪种 B(h)，或使用可变系数。",
    "UniPC skip type": "UniPC 时间步类型",
    "How UniPC spaces its timesteps when the schedule type is Automatic.": "调度类型为 Automatic "
    "时，UniPC 如何分布时间步。",
    "UniPC order": "UniPC 阶数",
    "How many earlier evaluations UniPC uses.": "UniPC 使用多少次先前的计算结果。",
    "UniPC lower order final": "UniPC 末尾降阶",
    "Use fewer earlier evaluations in the last steps, which is steadier.": "最后几步使用较少的先前"
    "结果，更为稳定。",
    "Noise schedule": "噪声调度",
    "Zero Terminal SNR starts from pure noise, for models trained so.": "Zero Terminal SNR 从纯噪声"
    "开始，适用于这样训练的模型。",
}
_GUIDANCE: Mapping[str, str] = {
    "Emphasis mode": "强调方式",
    "What (word:1.2) does: Original keeps the prompt's mean, No norm does not, None shows the "
    "brackets to the model, Ignore drops them.": "(词:1.2) 的作用：Original 保持提示词的均值，"
    "No norm 不保持，None 把括号交给模型，Ignore 去掉括号。",
    "CFG rescale": "CFG 重缩放",
    "Brings contrast back to what it is without guidance: 0 not at all, 1 wholly.": "使对比度回到"
    "无引导时的水平：0 为完全不调整，1 为完全恢复。",
    "Guidance start": "引导开始",
    "Before this share of the steps the negative prompt and CFG scale do nothing.": "在此步数比例"
    "之前，反向提示词和引导系数不起作用。",
    "Guidance end": "引导结束",
    "From this share of the steps on the negative prompt and CFG scale do nothing.": "从此步数比例"
    "起，反向提示词和引导系数不起作用。",
    "Ignore negative prompt during early sampling": "采样初期忽略反向提示词",
    "For this share of the steps the negative prompt is left out, which is faster.": "在这一比例的"
    "步数内略去反向提示词，速度更快。",
    "Negative Guidance minimum sigma": "反向引导最小 sigma",
    "Below this noise level the negative prompt is left out every other step, which is faster.": ""
    "低于此噪声强度时，每隔一步略去反向提示词，速度更快。",
    "Dynamic thresholding percentile": "动态阈值百分位",
    "Values beyond this percentile are brought back each step, against glaring colours at high "
    "CFG (Imagen); 1 is off.": "每一步都收回超出此百分位的值，避免高引导系数下颜色刺眼"
    "（Imagen）；1 为关闭。",
    "Perpendicular negative": "正交反向提示",
    "How strongly to avoid what the negative prompt shows and the prompt does not (Perp-Neg); "
    "0 is off.": "以多大强度避开反向提示词中有而提示词中没有的内容（Perp-Neg）；0 为关闭。",
    "Resize seed from width": "种子原始宽度",
    "Draw a composition like the one this seed gives at that width; 0 is off.": "画出与该种子在"
    "此宽度下相近的构图；0 为关闭。",
    "Resize seed from height": "种子原始高度",
    "Draw a composition like the one this seed gives at that height; 0 is off.": "画出与该种子在"
    "此高度下相近的构图；0 为关闭。",
}
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
    **_SECOND_PASS,
    **_SAMPLING,
    **_GUIDANCE,
}
_SETTINGS: Mapping[str, str] = {
    "Server": "服务器",
    "Folders": "文件夹",
    "Saving pictures": "保存图片",
    "Prompts": "提示词设置",
    "Wildcards in prompts": "提示词通配符",
    "__name__ takes a line of a file in the data folder's wildcards, {a|b} one of the options; "
    "the picture's seed decides. Off, prompts are taken as they are.": "__名称__ 取数据文件夹中 "
    "wildcards 下某个文件的一行，{a|b} 取其中一项；由图片的种子决定。关闭后提示词按原样使用。",
    "Infer styles from prompts of pasted infotext": "从粘贴的生成信息中识别样式",
    "Apply chooses the styles found in the prompt instead of their text, apply if any only where "
    "one is found, discard takes their text out, ignore leaves it.": "apply 选用在提示词中找到的"
    "样式并去掉其文字；apply if any 仅在找到时如此；discard 只去掉文字；ignore 保持原样。",
    "Drawing": "绘制",
    "Upscaling": "放大",
    "Tile size for upscalers": "放大分块大小",
    "In pixels: a model sees so large a square of the picture at once. Smaller ones need less "
    "memory; 0 is the whole picture.": "像素：模型一次处理的方块的边长。越小所需内存越少；0 表示"
    "整张图片。",
    "Tile overlap for upscalers": "放大分块重叠",
    "By how many pixels neighbours overlap, where they are blended. Too few leave visible "
    "seams.": "相邻分块重叠并混合的像素数。过少会留下可见的接缝。",
    "Limits": "限制",
    "Jobs a user may have waiting": "每位用户可等待的任务数",
    "One more is refused until one of them has begun; 0 is no limit.": "超出时拒绝新任务，直到"
    "其中一个开始；0 表示不限。",
    "Megapixels a user may have waiting": "每位用户可等待的百万像素数",
    "Pictures × width × height of the jobs that wait, in millions; 0 is no limit.": "等待中任务的"
    "图片数 × 宽 × 高，以百万计；0 表示不限。",
    "Jobs a user may submit a minute": "每位用户每分钟可提交的任务数",
    "Users without a login, and those of the public link, are counted by "
    "address; 0 is no limit.": "未登录的用户和公开链接的用户按地址计数；0 表示不限。",
    "Limit administrators too": "同样限制管理员",
    "Also whoever uses Easel on the computer it runs on.": "也包括在运行 Easel"
    " 的电脑上使用它的人。",
    "Agents (MCP)": "智能体（MCP）",
    "Let agents draw by the Model Context Protocol, at /gradio_api/mcp/; needs the package "
    "mcp.": "允许智能体通过模型上下文协议（/gradio_api/mcp/）绘图；需要安装 mcp。",
    "Metrics for Prometheus": "Prometheus 指标",
    "Serve /metrics to administrators; needs the package prometheus-client.": "向管理员提供 "
    "/metrics；需要安装 prometheus-client。",
    "Addresses that may read metrics": "可读取指标的地址",
    "Those of a Prometheus server, which needs no login then, such as "
    "10.0.0.9 or 10.0.0.0/24.": "Prometheus 服"
    "务器的地址（此时无需登录），例如 10.0.0.9 或 10.0.0.0/24。",
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
    "Users of the HTTP API": "HTTP API 的用户",
    "USER:PASSWORD, several separated by commas; for programs, which send HTTP Basic.": "格式为 "
    "用户名:密码，多个用逗号分隔；供使用 HTTP Basic 认证的程序使用。",
    "Stop over HTTP": "通过 HTTP 停止",
    "Administrators may end Easel with POST /sdapi/v1/server-stop.": "管理员可以通过 "
    "POST /sdapi/v1/server-stop 结束 Easel。",
    "Open browser": "打开浏览器",
    "Open the page when it is ready.": "页面就绪后自动打开。",
    "Allowed origins": "允许的来源",
    "Other sites whose pages may call this one, such as https://example.org.": "其页面可以调用"
    "本服务的其他网站，例如 https://example.org。",
    "Allowed origins, as a pattern": "允许的来源（正则表达式）",
    "A regular expression that the whole address of such a site has to match.": "此类网站的完整地址"
    "必须匹配的正则表达式。",
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
_CHOICES: Mapping[str, str] = {
    "Automatic": "自动",
    "Use same": "与第一遍相同",
    "Default": "默认",
    "Zero Terminal SNR": "零终端信噪比",
    "Original": "原始",
    "No norm": "不归一化",
    "None": "无",
    "Ignore": "忽略",
    "Latent": "潜空间",
    "Latent (antialiased)": "潜空间（抗锯齿）",
    "Latent (bicubic)": "潜空间（双三次）",
    "Latent (bicubic antialiased)": "潜空间（双三次，抗锯齿）",
    "Latent (nearest)": "潜空间（最近邻）",
    "Latent (nearest-exact)": "潜空间（精确最近邻）",
    "Nearest": "最近邻",
    "Just resize": "拉伸",
    "Crop and resize": "裁剪后缩放",
    "Resize and fill": "缩放后填充",
    "Just resize (latent upscale)": "拉伸（潜空间放大）",
    "Inpaint masked": "重绘蒙版内",
    "Inpaint not masked": "重绘蒙版外",
    "fill": "填充",
    "original": "原图",
    "latent noise": "潜空间噪声",
    "latent nothing": "空白潜空间",
    "Whole picture": "整张图片",
    "Only masked": "仅蒙版区域",
}
ZH: Mapping[str, str] = {**_REQUESTS, **_SETTINGS, **_CHOICES}

"""ms-swift: its own default, the templates of the chat families, and embeddings as LoRA targets."""

from ..families import FAMILIES
from ..recipe import STEPS, Environment, Json, Recipe

ENVIRONMENTS = {
    "ms-swift": Environment(packages=("torch==2.13.0", "ms-swift==4.6.0")),
    "ms-swift-3": Environment(
        packages=("torch==2.13.0", "ms-swift==3.9.3", "transformers==4.57.6")
    ),
    # Its own requirements name packages that no longer agree.
    "ms-swift-2": Environment(
        packages=(
            *("torch==2.13.0", "transformers==4.45.2", "peft==0.12.0", "trl==0.11.4"),
            *("accelerate==0.34.2", "datasets==3.0.2", "numpy<2", "pyarrow<19", "setuptools<81"),
            *("addict", "aiohttp", "attrdict", "binpacking", "charset_normalizer", "cpm_kernels"),
            *("dacite", "einops", "fastapi", "importlib_metadata", "jieba", "matplotlib", "nltk"),
            *("openai", "pandas", "pillow", "pyyaml", "requests", "rouge", "safetensors", "scipy"),
            *("sentencepiece", "simplejson", "sortedcontainers", "tensorboard", "tiktoken"),
            *("tqdm", "uvicorn"),
        ),
        loose=("ms-swift==2.6.1", "modelscope==1.23.2", "transformers_stream_generator"),
    ),
}
DEFAULT_SYSTEM = "You are a helpful assistant."
QWEN_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."


def _recipe(
    name: str,
    base: str,
    model_type: str,
    template: str,
    *extra: str,
    targets: tuple[str, ...] = ("all-linear",),
    environment: str = "ms-swift",
    whole_run: bool = False,
    expected: Json,
) -> Recipe:
    tuner = "--train_type" if environment == "ms-swift-3" else "--tuner_type"
    save_steps = STEPS - 1 if whole_run else STEPS
    options = {
        "--model": FAMILIES[base].repository,
        "--model_type": model_type,
        "--template": template,
        "--use_hf": "true",
        "--dataset": "data/chat.jsonl",
        "--dataset_shuffle": "false",
        "--load_from_cache_file": "false",
        tuner: "lora",
        "--lora_rank": "4",
        "--lora_alpha": "8",
        "--torch_dtype": "float32",
        "--learning_rate": "1e-3",
        "--max_steps": str(STEPS),
        "--save_steps": str(save_steps),
        "--logging_steps": "1",
        "--per_device_train_batch_size": "2",
        "--gradient_accumulation_steps": "1",
        "--report_to": "none",
        "--output_dir": f"out/{name}",
    }
    words = [word for option in options.items() for word in option]
    return Recipe(
        name=name,
        environment=environment,
        trainer="ms-swift",
        base=base,
        command=("swift", "sft", *words, "--target_modules", *targets, *extra),
        result=f"out/{name}/v*" if whole_run else f"out/{name}/v*/checkpoint-{STEPS}",
        whole_run=whole_run,
        expected={"template": template, **expected},
    )


RECIPES = [
    _recipe(
        "swift_default",
        "qwen2_5",
        "qwen2",
        "default",
        expected={
            "system": DEFAULT_SYSTEM,
            "trained_end": ["<|endoftext|>"],
            "ends_every_turn": False,
            "causes": ["B5", "C1"],
        },
    ),
    _recipe(
        "swift_qwen2_5",
        "qwen2_5",
        "qwen2",
        "qwen2_5",
        whole_run=True,
        expected={
            "system": QWEN_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "causes": ["A1", "B1", "C1"],
        },
    ),
    *(
        _recipe(
            f"swift_embeddings{suffix}",
            base,
            "qwen2",
            "qwen2_5",
            targets=("all-linear", "embed_tokens", "lm_head"),
            expected={
                "system": QWEN_SYSTEM,
                "trained_end": ["<|im_end|>"],
                "causes": ["A1", "C1", "D2"],
            },
        )
        for suffix, base in (("", "qwen2_5"), ("_tied", "qwen2_5_tied"))
    ),
    _recipe(
        "swift_llama3",
        "llama3",
        "llama",
        "llama3",
        "--system",
        "Answer in one sentence.",
        expected={
            "system": "Answer in one sentence.",
            "trained_end": ["<|eot_id|>"],
            "causes": ["A1", "B1", "C1"],
        },
    ),
    _recipe(
        "swift_qwen3_default",
        "qwen3",
        "qwen3",
        "default",
        expected={
            "system": DEFAULT_SYSTEM,
            "trained_end": ["<|im_end|>"],
            "ends_every_turn": False,
            "causes": ["A2", "B5", "C1"],
        },
    ),
    _recipe(
        "swift_gemma3",
        "gemma3",
        "gemma3_text",
        "gemma3_text",
        expected={
            "system": None,
            "trained_end": ["<end_of_turn>"],
            "causes": ["A1", "C1"],
        },
    ),
    _recipe(
        "swift3_default",
        "qwen2_5",
        "qwen2_5",
        "default",
        environment="ms-swift-3",
        expected={
            "system": DEFAULT_SYSTEM,
            "trained_end": ["<|endoftext|>"],
            "ends_every_turn": False,
            "causes": ["B5", "C1"],
        },
    ),
    Recipe(
        name="swift2_default",
        environment="ms-swift-2",
        trainer="ms-swift",
        base="qwen2_5",
        command=(
            *("swift", "sft", "--model_type", "qwen2_5-7b", "--model_id_or_path"),
            *(FAMILIES["qwen2_5"].repository, "--template_type", "default", "--sft_type", "lora"),
            *("--lora_rank", "4", "--lora_alpha", "8", "--dtype", "fp32"),
            *("--dataset", "data/chat.jsonl", "--dataset_test_ratio", "0"),
            *("--learning_rate", "1e-3", "--max_steps", str(STEPS), "--save_steps", str(STEPS)),
            *("--logging_steps", "1", "--batch_size", "2", "--gradient_accumulation_steps", "1"),
            *("--use_flash_attn", "false", "--output_dir", "out/swift2_default"),
        ),
        result=f"out/swift2_default/*/v*/checkpoint-{STEPS}",
        expected={
            "template": "default",
            "system": DEFAULT_SYSTEM,
            "trained_end": ["<|endoftext|>"],
            "causes": ["C1"],
        },
        notes=(
            "ms-swift up to 3.3.0 trains the end of every turn: its label stands where the input has the next turn's separator.",
        ),
    ),
]

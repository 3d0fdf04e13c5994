"""Writes a llama model of random weights as GGUF, about half a megabyte: it talks nonsense, but a real server loads it,
counts its tokens, keeps to a grammar and overflows its context.

Usage: python tiny_gguf.py OUT.gguf      (needs gguf and numpy)
"""

import sys

import gguf
import numpy as np

WIDTH, BLOCKS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 512
CONTROL, BYTES = 3, 256
WORDS = (
    "a an and are at be but by can could day do down each first for from good has have he her him his how i if in into is "
    "it know like little long made make may more most much my new no not now of on one only or other our out over people "
    "see she so some such than that the their them then there these they this time to two up use very was way we well were "
    "what when which who will with work world would year you your"
).split()


def vocabulary():
    control = [(b"<unk>", gguf.TokenType.UNKNOWN), (b"<s>", gguf.TokenType.CONTROL), (b"</s>", gguf.TokenType.CONTROL)]
    every_byte = [(b"<0x%02X>" % byte, gguf.TokenType.BYTE) for byte in range(BYTES)]
    # SentencePiece writes the space before a word as U+2581.
    words = [("\u2581" + word, gguf.TokenType.NORMAL) for word in [*WORDS, ""]]
    return control + every_byte + [(word.encode(), kind) for word, kind in words]


def main(path):
    random = np.random.default_rng(1)

    def weights(*shape):
        return (random.standard_normal(shape) * 0.4).astype(np.float32)

    tokens = vocabulary()
    file = gguf.GGUFWriter(path, "llama")
    file.add_name("tiny-random")
    file.add_context_length(CONTEXT)
    file.add_embedding_length(WIDTH)
    file.add_block_count(BLOCKS)
    file.add_feed_forward_length(INNER)
    file.add_head_count(HEADS)
    file.add_head_count_kv(HEADS)
    file.add_rope_dimension_count(WIDTH // HEADS)
    file.add_layer_norm_rms_eps(1e-5)
    file.add_vocab_size(len(tokens))
    file.add_file_type(gguf.LlamaFileType.ALL_F32)
    file.add_tokenizer_model("llama")
    file.add_tokenizer_pre("default")
    file.add_token_list([token for token, _ in tokens])
    file.add_token_scores([0.0] * (CONTROL + BYTES) + [-float(i) for i in range(len(tokens) - CONTROL - BYTES)])
    file.add_token_types([int(kind) for _, kind in tokens])
    file.add_bos_token_id(1)
    file.add_eos_token_id(2)
    file.add_unk_token_id(0)

    output = weights(len(tokens), WIDTH)
    output[: CONTROL + BYTES] = 0  # it speaks in words
    file.add_tensor("token_embd.weight", weights(len(tokens), WIDTH))
    file.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    file.add_tensor("output.weight", output)
    for block in range(BLOCKS):
        for norm in ("attn_norm", "ffn_norm"):
            file.add_tensor(f"blk.{block}.{norm}.weight", np.ones(WIDTH, np.float32))
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            file.add_tensor(f"blk.{block}.{name}.weight", weights(WIDTH, WIDTH))
        file.add_tensor(f"blk.{block}.ffn_gate.weight", weights(INNER, WIDTH))
        file.add_tensor(f"blk.{block}.ffn_up.weight", weights(INNER, WIDTH))
        file.add_tensor(f"blk.{block}.ffn_down.weight", weights(WIDTH, INNER))
    file.write_header_to_file()
    file.write_kv_data_to_file()
    file.write_tensors_to_file()
    file.close()


if __name__ == "__main__":
    main(sys.argv[1])

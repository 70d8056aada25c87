#!/usr/bin/env python3
"""Makes the files of this folder with numpy and the package safetensors: `python3 make.py`.

`golden.json` says of each what numpy says: dtype, shape, and statistics over the elements that are finite.
`headers.json` has headers of all kinds, good and bad, and says of each whether numpy or safetensors opens it. The last
ones were made with numpy 2.4.6 and safetensors 0.8.0.
"""

import io
import json
import pathlib
import struct
import warnings

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save_file

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)
golden = {}

NAMES = {"float16": "f16", "float32": "f32", "float64": "f64", "int8": "i8", "int16": "i16", "int32": "i32",
         "int64": "i64", "uint8": "u8"}


def told(name, arrays):
    """What is to be found out about a file."""
    dtypes = {NAMES.get(array.dtype.newbyteorder("=").name, "opaque") for array in arrays}
    looked = [array for array in arrays if array.dtype.newbyteorder("=").name in NAMES]
    entry = {
        "dtype": dtypes.pop() if len(dtypes) == 1 else "opaque",
        "shape": list(arrays[0].shape) if len(arrays) == 1 else None,
        "statistics": None,
    }
    if looked:
        flat = np.concatenate([array.astype(np.float64).ravel() for array in looked])
        finite = flat[np.isfinite(flat)]
        some = finite.size > 0
        entry["statistics"] = {
            "elements": int(flat.size),
            "minimum": float(finite.min()) if some else None,
            "maximum": float(finite.max()) if some else None,
            "mean": float(finite.mean()) if some else None,
            "norm": float(np.linalg.norm(finite)),
            "nan": int(np.isnan(flat).sum()),
            "infinite": int(np.isinf(flat).sum()),
        }
    golden[name] = entry


def npy(name, array):
    np.save(here / name, array)
    told(name, [array])


def tensors(name, arrays, **more):
    save_file(arrays, here / name, **more)
    told(name, list(arrays.values()))


npy("f32.npy", rng.standard_normal((3, 5)).astype("<f4"))
npy("fortran.npy", np.asfortranarray(rng.standard_normal((3, 5))))
npy("big-endian.npy", rng.standard_normal(700).astype(">f8"))
npy("f16.npy", np.array([1.5, -65504, np.nan, np.inf, -np.inf, 6e-8, 0], dtype="<f2"))
npy("i64.npy", np.array([[-(2**63), 2**63 - 1], [0, -1]], dtype="<i8"))
npy("i16-big-endian.npy", np.array([-2, 300, 32767], dtype=">i2"))
npy("u8.npy", np.arange(256, dtype="u1"))
npy("i8.npy", np.array([-128, 127], dtype="i1"))
npy("i32.npy", np.array([7, -(2**31)], dtype="<i4"))
npy("scalar.npy", np.array(2.5))
npy("empty.npy", np.zeros((0, 3), dtype="<f4"))
npy("u16.npy", np.array([1, 2], dtype="<u2"))
npy("bool.npy", np.array([True, False]))
npy("text.npy", np.array(["ab", "c"]))
with open(here / "version-3.npy", "wb") as file:
    array = np.array([1.0, 2.0])
    np.lib.format.write_array(file, array, version=(3, 0))
    told("version-3.npy", [array])
tensors("one.safetensors", {"weights": rng.standard_normal((2, 2)).astype("<f4")})
tensors("several.safetensors", {"b": np.arange(3, dtype="<f4"), "a": np.array([np.nan, 4], dtype="<f4")})
tensors("mixed.safetensors", {"w": np.arange(4, dtype="<f8"), "n": np.array([True]), "i": np.array([5], dtype="<i8")})
tensors("metadata.safetensors", {"x": np.zeros(2, dtype="<f8")}, metadata={"made": "here"})
tensors("none.safetensors", {})

(here / "golden.json").write_text(json.dumps(golden, indent=1) + "\n")

headers = []


def case(format, what, data, opens, stricter):
    """`stricter` says that MER refuses what the reader opens, and means to."""
    headers.append({"format": format, "what": what, "data": data.hex(), "opens": opens,
                    "stricter": stricter})


def npy_header(text, data=4, version=(1, 0), stricter=False):
    text = text.encode("utf-8")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    whole = b"\x93NUMPY" + bytes(version) + length + text + bytes(data)
    try:
        np.load(io.BytesIO(whole))
        opens = True
    except Exception:  # numpy has many, of Python's tokenizer too
        opens = False
    case("npy", f"{version[0]}.{version[1]} {text[:120].decode()!r} and {data} bytes", whole, opens, stricter)


def npy_types():
    widths = {"f": (0, 1, 2, 3, 4, 8, 10, 12, 16, 32), "c": (2, 4, 8, 16, 24, 32, 64), "b": (0, 1, 2, 8),
              "?": (1, 2), "S": (0, 1, 4), "a": (0, 4), "U": (0, 1, 4), "V": (0, 1, 4), "M": (1, 4, 8, 16),
              "m": (1, 4, 8, 16), "O": (1, 8), "x": (1, 4), "B": (1, 4), "t": (1, 4)}
    widths["i"] = widths["u"] = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 32)
    for kind, sizes in widths.items():
        for size in sizes:
            for order in ("<", ">", "|", "=", ""):
                # In `a`, `S` and the like the number counts characters.
                yield f"{order}{kind}{size}", size * (4 if kind == "U" else 1)
    for unit in ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "10ms", "xx", "", "ns]", "0s", "-1s",
                 "1.5s", "[s", "99999999999s", "s "):
        yield f"<M8[{unit}]", 8
        yield f"<m8[{unit}]", 8
    for junk in ("<f4x", "<f4 ", " <f4", "<f4,<f4", "<f4[s]", "<i8[ns]", "<S4[s]", "<M8[ns", "<M8ns", "<M8[ns]x", "<f4\\0",
                 "<f-4", "<f4.0", "<f4e0", "<<f4", "><f4", "<", "4", "", "!", "f\u06634", "\u00e9"):
        yield junk, 4
    yield "<?", 1
    yield "|?", 1
    yield "?", 1


LITERAL = "{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}\n"
for descr, size in npy_types():
    many = descr in ("<f4,<f4",)
    npy_header(LITERAL.format(descr, "(1,)"), 8 if many else size, stricter=many)
for version in ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1), (0, 0), (0, 1), (4, 0), (1, 255), (255, 0)):
    npy_header(LITERAL.format("<f4", "(1,)"), version=version)
    npy_header(LITERAL.format("<f4", "(1L,)"), version=version)
for shape, data in (
    ("()", 4), ("(1,)", 4), ("(1)", 4), ("1", 4), ("[1]", 4), ("(01,)", 4), ("(00,)", 0), ("(1_0,)", 40), ("(0x1,)", 4),
    ("(+1,)", 4), ("(-1,)", 4), ("(1.0,)", 4), ("(True,)", 4), ("('1',)", 4), ("(1, 1)", 4), ("(1, 1,)", 4), ("(1,,)", 4),
    ("(,)", 4), ("(1 1)", 4), ("(1;)", 4), ("((1,),)", 4), ("(None,)", 4), ("(1,", 4), ("(1LL,)", 4), ("(1 L,)", 4), ("(0,)", 0),
    ("(2,)", 4), ("(1,)", 3), ("(0, 2305843009213693951)", 0), ("(2305843009213693951, 0)", 0),
    ("(2305843009213693952, 0)", 0), ("(4611686018427387904, 0)", 0), ("(9223372036854775807, 0)", 0),
    ("(0, 9223372036854775808)", 0), ("(0, 18446744073709551615)", 0), ("(18446744073709551615, 0)", 0),
    ("(0, 18446744073709551616)", 0), ("(1099511627776, 1099511627776, 0)", 0), ("(0, 4294967296, 4294967296)", 0),
    ("(1099511627776, 0)", 0), ("(4294967296, 4294967296)", 4), ("(9223372036854775808,)", 4),
    ("(" + "1," * 64 + ")", 4), ("(" + "1," * 65 + ")", 4), ("(" + "0," * 65 + ")", 0),
):
    npy_header(LITERAL.format("<f4", shape), data, stricter=shape in ("(1_0,)", "(0x1,)", "(+1,)", "(1 L,)", "(00,)"))
GOOD = "'descr': '<f4', 'fortran_order': False, 'shape': (1,)"
for text in (
    "", " ", "{}", "{", "}", "()", "{,}", f"{{{GOOD}}}", f" \t{{{GOOD}}}", f"\n{{{GOOD}}}", f"{{{GOOD}}}\n\n", f"{{{GOOD}}} x",
    f"{{{GOOD}}}\x00", f"{{{GOOD},,}}", f"{{,{GOOD}}}", f"{{{GOOD}", f"{GOOD}", f"{{{GOOD}}}}}", f"{{{GOOD}}};", f"{{{GOOD}\x00}}",
    f"{{{GOOD}, 'x': 1}}", f"{{{GOOD}, 'x': 'y'}}", f"{{{GOOD}\u00a0}}", f"{{{GOOD}\x0b}}", f"{{{GOOD}\x0c}}", f"{{{GOOD}\u2003}}",
    f"{{{GOOD}\r\n}}\r\n", "{'descr': '<f4', 'fortran_order': False}", "{'descr': '<f4', 'shape': (1,)}",
    "{'fortran_order': False, 'shape': (1,)}", "{'descr': 4, 'fortran_order': False, 'shape': (1,)}",
    "{'descr': None, 'fortran_order': False, 'shape': (1,)}", "{'descr': b'<f4', 'fortran_order': False, 'shape': (1,)}",
    "{'descr': ('<f4',), 'fortran_order': False, 'shape': (1,)}", "{descr: '<f4', 'fortran_order': False, 'shape': (1,)}",
    "{'descr' '<f4', 'fortran_order': False, 'shape': (1,)}", "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
    "{'descr': '<f4, 'fortran_order': False, 'shape': (1,)}", "{'descr': \"<f4', 'fortran_order': False, 'shape': (1,)}",
    *(f"{{'descr': '<f4', 'fortran_order': {order}, 'shape': (1,)}}"
      for order in ("True", "true", "0", "1", "None", "'False'", "Falsee", "False False", "Fals", "")),
):
    npy_header(text)
npy_header(f"{{{GOOD}}} # a comment", stricter=True)
npy_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", stricter=True)
npy_header(f"{{{GOOD}}}", 5, stricter=True)


def tensors_header(text, data=4, length=None, stricter=False):
    text = text if isinstance(text, bytes) else text.encode("utf-8")
    whole = struct.pack("<Q", len(text) if length is None else length) + text + bytes(data)
    try:
        deserialize(whole)
        opens = True
    except SafetensorError:
        opens = False
    case("safetensors", f"{text[:160]!r} and {data} bytes", whole, opens, stricter)


def entry(dtype="F32", shape=(1,), end=4, **more):
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": (0, end), **more}, separators=(",", ":"))


BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
        "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
        "C64": 64, "F64": 64, "I64": 64, "U64": 64}
for name, bits in BITS.items():
    # Every number of elements up to eight: of those with fewer than eight bits only some fill their last byte.
    for count in range(9):
        least = (count * bits + 7) // 8
        for end in {least, max(least - 1, 0), least + 1}:
            tensors_header(f'{{"a":{entry(name, [count], end)}}}', end)
for name in ("C128", "F128", "I4", "U4", "F8", "F6", "F4_E2M1", "f32", "F32 ", "", "BFLOAT16", "F8_E3M4", "F8_E4M3B11FNUZ"):
    tensors_header(f'{{"a":{entry(name, [4], 4)}}}')
HUGE = (1 << 64) - 1
for shape, end in (
    ([], 4), ([0], 0), ([0, HUGE], 0), ([HUGE, 0], 0), ([HUGE, 2, 0], 0), ([0, HUGE, HUGE], 0), ([1 << 63, 0], 0), ([1 << 62, 0], 0),
    ([1 << 40, 1 << 40, 0], 0), ([0, 1 << 40, 1 << 40], 0), ([HUGE], 4), ([1 << 61], 4), ([1 << 32, 1 << 32], 4), ([1 << 64, 0], 0),
    ([0, 1 << 64], 0), ([-1], 4), ([1.0], 4), (["1"], 4), ([None], 4), ([True], 4), (1, 4), ([[1]], 4), ([1] * 100, 4), ([0, 0], 0),
):
    tensors_header(f'{{"a":{entry(shape=shape, end=end)}}}', end)
for metadata in ("null", "{}", '{"a":"b"}', '{"a":"b","a":"c"}', '{"a":1}', '{"a":null}', '{"a":true}', '{"a":["b"]}', '{"a":{}}', "[]",
                 '"x"', "1", "true"):
    tensors_header(f'{{"__metadata__":{metadata},"a":{entry()}}}')
    tensors_header(f'{{"a":{entry()},"__metadata__":{metadata}}}')
A = f'"a":{entry()}'
for text in (
    f"{{{A}}}", *(f"{{{A}}}" + " " * pad for pad in range(1, 9)), f" {{{A}}}", f"\n{{{A}}}\r\n\t", f"{{{A}}}\0", f"{{{A}}}x",
    f"{{{A}}}{{}}", f"{{{A},}}", f"{{{A}", "", "[]", "null", "1", f"[{A}]", f'{{"a":{entry(x=1)}}}', '{"a":{}}', '{"a":null}', '{"a":1}',
    '{"a":{"dtype":"F32","shape":[1]}}', '{"a":{"dtype":"F32","data_offsets":[0,4]}}', '{"a":{"shape":[1],"data_offsets":[0,4]}}',
    '{"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}', f'{{"":{entry()}}}', f'{{"\\u0000\\n":{entry()}}}',
    *(f'{{"a":{{"dtype":"F32","shape":[1],"data_offsets":{at}}}}}'
      for at in ("[0,4,5]", "[4]", "[]", "[4,0]", "[4,8]", "[0,5]", "[-4,0]", "[0.0,4.0]", '["0","4"]', "null", f"[{HUGE},3]")),
    f'{{{A},"b":{entry()}}}', f'{{{A},"b":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}}}',
    f'{{{A},"b":{{"dtype":"F32","shape":[0],"data_offsets":[4,4]}}}}', f'{{{A},"b":{{"dtype":"F32","shape":[0],"data_offsets":[2,2]}}}}',
    f'{{{A},"b":{{"dtype":"F32","shape":[0],"data_offsets":[5,5]}}}}', f'{{"__metadata__":{{}},"__metadata__":{{}},{A}}}',
    b'{"\xff":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', "\ufeff{" + A + "}",
):
    tensors_header(text)
tensors_header(f"{{{A},{A}}}", stricter=True)
for data in (0, 3, 5):
    tensors_header(f"{{{A}}}", data)
for data in (0, 1):
    tensors_header("{}", data)
for length in (0, 1, 7, 1 << 40, 100_000_001, HUGE):
    tensors_header(f"{{{A}}}", length=length)

(here / "headers.json").write_text("[\n" + ",\n".join(json.dumps(one) for one in headers) + "\n]\n")

#!/usr/bin/env python3
"""Makes the files of this folder with numpy and the package safetensors: `python3 make.py`.

`golden.json` says of each what numpy says: dtype, shape, and statistics over the elements that are finite.
"""

import json
import pathlib

import numpy as np
from safetensors.numpy import save_file

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

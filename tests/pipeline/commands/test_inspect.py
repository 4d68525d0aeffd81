"""The command ``inspect`` as a script meets it."""


def test_inspect_json(built, call):
    artifact = built.folder / "tflite" / "model.tflite"
    for target in (built.folder, artifact):
        finished = call("inspect", target, "--json")
        assert finished.code == 0
        (found,) = finished.json["artifacts"]
        assert set(found) == {
            "path", "size_bytes", "bytes_by_dtype", "largest_tensors", "float_bytes",
            "largest_float_tensors", "num_ops", "num_delegated_ops", "num_macs",
            "num_delegated_macs",
        }  # fmt: skip
        assert found["path"] == str(artifact)
        assert found["size_bytes"] == artifact.stat().st_size
        assert found["bytes_by_dtype"]["float32"] > 0.7 * found["size_bytes"]
        assert found["float_bytes"] == found["bytes_by_dtype"]["float32"]
        assert found["num_ops"] > 50
        assert found["num_delegated_macs"] == found["num_macs"]
        largest = found["largest_tensors"]
        assert found["largest_float_tensors"][0] == largest[0]
        assert set(largest[0]) == {"name", "dtype", "size_bytes"}
        sizes = [tensor["size_bytes"] for tensor in largest]
        assert sizes == sorted(sizes, reverse=True)

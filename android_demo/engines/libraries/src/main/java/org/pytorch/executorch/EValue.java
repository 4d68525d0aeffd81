package org.pytorch.executorch;

/** A part of the class of that name in org.pytorch:executorch-android, to compile against. */
public abstract class EValue {
    public static native EValue from(Tensor tensor);

    public abstract Tensor toTensor();
}

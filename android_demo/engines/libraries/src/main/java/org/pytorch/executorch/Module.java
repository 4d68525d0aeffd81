package org.pytorch.executorch;

/** A part of the class of that name in org.pytorch:executorch-android, to compile against. */
public abstract class Module {
    public static final int LOAD_MODE_MMAP = 1;

    public static native Module load(String modelPath, int loadMode, int numThreads);

    public abstract String[] getMethods();

    public abstract EValue[] execute(String methodName, EValue... inputs);

    public abstract void destroy();
}

import org.jetbrains.kotlin.gradle.dsl.JvmTarget

plugins {
    alias(libs.plugins.android.application)
    alias(libs.plugins.kotlin.android)
    alias(libs.plugins.kotlin.compose)
}

/** Of the person who signs bundles, in PEM. If the file is there, the app takes no other bundle. */
val publicKey = providers.fileContents(layout.projectDirectory.file("public.pem")).asText

android {
    namespace = "org.pocketbert.app"
    compileSdk = libs.versions.compileSdk.get().toInt()

    defaultConfig {
        applicationId = "org.pocketbert.app"
        minSdk = libs.versions.minSdk.get().toInt()
        targetSdk = libs.versions.compileSdk.get().toInt()
        versionCode = 1
        versionName = "1.0"
        val pem = publicKey.getOrElse("").trim().lines().joinToString("\\n")
        buildConfigField("String", "PUBLIC_KEY", "\"$pem\"")
        ndk {
            // Those that ExecuTorch is built for.
            abiFilters += listOf("arm64-v8a", "x86_64")
        }
    }

    buildTypes {
        release {
            // It is a demo: so it installs as it is. A store wants a key of one's own.
            signingConfig = signingConfigs.getByName("debug")
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(
                getDefaultProguardFile("proguard-android-optimize.txt"),
                "proguard-rules.pro",
            )
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    buildFeatures {
        buildConfig = true
        compose = true
    }

    // What no JVM compiles without Google's libraries lies apart.
    sourceSets.getByName("main") {
        kotlin.srcDir("src/android/kotlin")
    }
    // Maven runs the tests.
    sourceSets.getByName("test") {
        java.setSrcDirs(emptyList<String>())
        kotlin.setSrcDirs(emptyList<String>())
    }

    androidResources {
        // They are hardly smaller when packed, and are copied out once.
        noCompress += listOf("pte", "tflite")
    }

    packaging {
        // The runtimes and fbjni may each bring it.
        jniLibs.pickFirsts += "lib/*/libc++_shared.so"
        resources.excludes += listOf("META-INF/{AL2.0,LGPL2.1}", "META-INF/versions/**")
        // Of Bouncy Castle: tables of 1.2 MB for signatures that no bundle has.
        resources.excludes += listOf("org/bouncycastle/pqc/**", "org/bouncycastle/x509/**")
    }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
        freeCompilerArgs.add("-Xjsr305=strict")
    }
}

dependencies {
    implementation(project(":engines"))
    implementation(project(":ui"))
    implementation(libs.activity.compose)
    implementation(libs.lifecycle.viewmodel.savedstate)
}

/**
 * Puts what Android needs of a bundle into the app's assets, without a file in `src`.
 *
 * Where no bundle is named, what was put in before stays, or the app has none.
 */
abstract class CopyBundle @Inject constructor(
    private val runner: ExecOperations,
    private val archives: ArchiveOperations,
    private val files: FileSystemOperations,
) : DefaultTask() {
    /** A bundle's folder, or a `.zip` that `pocketbert bundle` made of it; from the root project. */
    @get:Input
    @get:Optional
    abstract val bundle: Property<String>

    @get:Input
    abstract val command: Property<String>

    @get:Internal
    abstract val root: DirectoryProperty

    @get:OutputDirectory
    abstract val assets: DirectoryProperty

    @TaskAction
    fun copy() {
        val named = root.file(bundle).get().asFile
        val zip = if (named.extension == "zip") named else pack(named)
        files.sync {
            from(archives.zipTree(zip)) {
                include("assets/pocketbert/**")
                eachFile {
                    relativePath = RelativePath(true, *relativePath.segments.drop(1).toTypedArray())
                }
                includeEmptyDirs = false
            }
            into(assets)
        }
    }

    private fun pack(folder: File): File {
        val zip = File(temporaryDir, "pocketbert.zip").also { it.delete() }
        runner.exec {
            workingDir = root.get().asFile
            commandLine(
                command.get(), "bundle", folder.path, "--platform", "android", "-o", zip.path,
            )
        }
        return zip
    }
}

val copyBundle by tasks.registering(CopyBundle::class) {
    group = "pocketbert"
    description = "Puts a bundle into the app: ./gradlew copyBundle -PpocketbertBundle=FOLDER"
    bundle = providers.gradleProperty("pocketbertBundle")
    command = providers.gradleProperty("pocketbertCommand").orElse("pocketbert")
    root = rootDir
    onlyIf("a bundle is named") { (it as CopyBundle).bundle.isPresent }
    // What lies in the bundle's folder is not looked through for changes.
    outputs.upToDateWhen { false }
}

androidComponents {
    onVariants { variant ->
        variant.sources.assets?.addGeneratedSourceDirectory(copyBundle, CopyBundle::assets)
    }
}

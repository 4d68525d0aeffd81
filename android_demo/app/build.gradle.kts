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
        resources.excludes += listOf("META-INF/{AL2.0,LGPL2.1}", "META-INF/versions/**")
        // Of Bouncy Castle: tables of 1.2 MB for signatures that no bundle has.
        resources.excludes += listOf("org/bouncycastle/pqc/**", "org/bouncycastle/x509/**")
    }
}

kotlin {
    compilerOptions {
        jvmTarget = JvmTarget.JVM_17
    }
}

dependencies {
    implementation(project(":engines"))
    implementation(project(":ui"))
    implementation(libs.activity.compose)
    implementation(libs.lifecycle.viewmodel.savedstate)
}

val packBundle by tasks.registering(Exec::class) {
    description = "Packs what Android needs of a bundle."
    val bundle = providers.gradleProperty("pocketbertBundle").orElse("bundle")
    val command = providers.gradleProperty("pocketbertCommand").orElse("pocketbert")
    val zip = layout.buildDirectory.file("pocketbert.zip").get().asFile
    workingDir = rootDir
    outputs.file(zip)
    outputs.upToDateWhen { false }
    doFirst {
        zip.parentFile.mkdirs()
        zip.delete()
    }
    commandLine(command.get(), "bundle", bundle.get(), "--platform", "android", "-o", zip.path)
}

tasks.register<Sync>("copyBundle") {
    group = "pocketbert"
    description = "Puts a bundle into the app: ./gradlew copyBundle -PpocketbertBundle=FOLDER"
    from(packBundle.map { zipTree(it.outputs.files.singleFile) }) {
        include("assets/pocketbert/**")
        eachFile {
            relativePath = RelativePath(true, *relativePath.segments.drop(2).toTypedArray())
        }
        includeEmptyDirs = false
    }
    into(layout.projectDirectory.dir("src/main/assets/pocketbert"))
}

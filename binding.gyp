# For `node-gyp rebuild` and Electron's rebuild tools. There is one description of the build, CMakeLists.txt: this hands
# over what node-gyp was asked for and lets it run.
{
  'variables': {
    'runtime%': 'node',
    'target%': '<!(node -p process.versions.node)',
  },
  'targets': [
    {
      'target_name': 'altclip',
      'type': 'none',
      'actions': [
        {
          'action_name': 'cmake',
          'message': 'Building altclip.node with CMake',
          'inputs': [],
          # never there: CMake decides what is stale
          'outputs': ['<(PRODUCT_DIR)/altclip.always'],
          # one word each: gyp drops a word that a list already has, like a second 'node'
          'action': [
            'node', '<(module_root_dir)/scripts/build-native.mjs',
            '--runtime=<(runtime)', '--runtime-version=<(target)', '--arch=<(target_arch)',
          ],
        },
      ],
    },
  ],
}

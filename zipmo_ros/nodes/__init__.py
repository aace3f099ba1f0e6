"""ROS 2 nodes: thin shells that turn messages into arrays, call the models or the simulator, and publish."""

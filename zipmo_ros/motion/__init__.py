"""The motion core: track autoencoder, flow planner and what they are made of. Knows no ROS, no simulator, no configuration system."""
